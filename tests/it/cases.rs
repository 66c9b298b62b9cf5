//! Samples as files: what `check` says of each of them, word for word.
//!
//! A sample is a file `NAME.yaml`, or a folder `NAME` whose files are merged; beside it lie `NAME.stderr` and, where
//! there is output, `NAME.stdout`. To write them again: `SNAPSHOTS=overwrite cargo test`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use snapbox::{Assert, Data};

use super::support::{Ran, program, project, run};

/// The folder with samples of one kind, `valid` or `invalid`.
pub fn folder(kind: &str) -> PathBuf {
    project().join("tests/cases").join(kind)
}

/// The samples of a folder by their file names, in order.
pub fn samples(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(folder(kind)).expect("the folder of the samples");
    let names: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir() || entry.file_name().to_string_lossy().ends_with(".yaml"))
        .map(|entry| entry.file_name().into_string().expect("UTF-8"))
        .collect();
    names.into_iter().collect()
}

/// Runs `check` on one sample, in its folder, so that messages show short paths.
fn check(kind: &str, sample: &str, options: &[&str]) -> Ran {
    let mut command = program();
    command.current_dir(folder(kind)).arg("check").args(options).arg(sample);
    let mut ran = run(command, "");
    ran.stderr = without_ownership(&ran.stderr);
    ran
}

/// Who owns the checkout is no matter of the samples, so what the program says of it is left out.
fn without_ownership(stderr: &str) -> String {
    let blocks = stderr.trim_end_matches('\n').split("\n\n");
    let ours: Vec<&str> = blocks
        .filter(|block| !block.is_empty() && !block.contains(" decides what root does, but "))
        .collect();
    if ours.is_empty() { String::new() } else { ours.join("\n\n") + "\n" }
}

/// Compares with the file beside the sample; no file stands for no output. Gives the difference.
fn compare(kind: &str, sample: &str, extension: &str, actual: &str) -> Option<String> {
    let name = sample.strip_suffix(".yaml").unwrap_or(sample);
    let path = folder(kind).join(format!("{name}.{extension}"));
    if actual.is_empty() && !path.exists() {
        return None;
    }
    let expected = Data::read_from(&path, None).raw();
    let assert = Assert::new().action_env("SNAPSHOTS");
    let result = assert.try_eq(Some(&sample), Data::text(actual), expected);
    if actual.is_empty() && result.is_ok() {
        let _ = fs::remove_file(&path);
    }
    result.err().map(|difference| difference.to_string())
}

#[track_caller]
fn nothing_differs(differences: &[String], samples: usize, least: usize) {
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(samples >= least, "only {samples} samples were found");
}

#[test]
fn invalid_samples_are_refused_with_these_words() {
    let samples = samples("invalid");
    let mut differences = Vec::new();
    for sample in &samples {
        let ran = check("invalid", sample, &[]);
        if ran.code != 78 || !ran.stdout.is_empty() {
            differences.push(format!("{sample}: exit {}, stdout {:?}", ran.code, ran.stdout));
        }
        differences.extend(compare("invalid", sample, "stderr", &ran.stderr));
    }
    nothing_differs(&differences, samples.len(), 75);
}

#[test]
fn valid_samples_are_accepted_with_these_words() {
    let samples = samples("valid");
    let mut differences = Vec::new();
    for sample in &samples {
        let ran = check("valid", sample, &[]);
        if ran.code != 0 {
            differences.push(format!("{sample}: exit {}", ran.code));
        }
        differences.extend(compare("valid", sample, "stdout", &ran.stdout));
        differences.extend(compare("valid", sample, "stderr", &ran.stderr));
    }
    nothing_differs(&differences, samples.len(), 25);
}

#[test]
fn strict_refuses_every_sample_with_a_warning() {
    let warned: Vec<String> =
        samples("valid").into_iter().filter(|sample| sample.starts_with("warning-")).collect();
    assert!(warned.len() >= 5, "{warned:?}");
    for sample in warned {
        let lenient = check("valid", &sample, &[]).expect(0);
        let strict = check("valid", &sample, &["--strict"]).expect(78);
        assert_eq!(strict.stdout, "", "{sample}");
        assert_eq!(strict.stderr, lenient.stderr.replace("warning: ", "error: "), "{sample}");
    }
}

#[test]
fn every_file_beside_the_samples_belongs_to_one() {
    for kind in ["valid", "invalid"] {
        let samples = samples(kind);
        for entry in fs::read_dir(folder(kind)).expect("the folder of the samples") {
            let path = entry.expect("an entry").path();
            let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let owned = [name(&path), stem.clone(), format!("{stem}.yaml")];
            assert!(owned.iter().any(|owner| samples.contains(owner)), "{} belongs to none", path.display());
        }
    }
}

#[test]
fn json_says_that_a_file_is_valid() {
    let ran = check("valid", "warning-loopback.yaml", &["--format", "json"]).expect(0);
    assert_eq!(ran.stderr, "");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["version"], 1);
    assert_eq!(report["valid"], true);
    assert_eq!(report["errors"], serde_json::json!([]));
    let warning = &report["warnings"][1];
    assert_eq!(warning["code"], "loopback-address");
    assert_eq!(warning["endpoint"], "six");
    assert_eq!(warning["file"], "warning-loopback.yaml");
    assert_eq!((warning["line"].as_u64(), warning["column"].as_u64()), (Some(4), Some(18)));
    assert_eq!(ran.stdout.matches('\n').count(), 1, "one document, one line");
}

#[test]
fn json_says_what_is_wrong_and_where() {
    let ran = check("invalid", "unicode-before-error.yaml", &["--format", "json"]).expect(78);
    assert_eq!(ran.stderr, "");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["valid"], false);
    let errors = report["errors"].as_array().expect("errors");
    let places: Vec<_> = errors
        .iter()
        .map(|error| {
            assert_eq!(error["file"], "unicode-before-error.yaml");
            let number = |key: &str| error[key].as_u64().expect("a number");
            (error["code"].as_str().expect("a code"), number("line"), number("column"))
        })
        .collect();
    let expected = [("name", 2, 13), ("name", 2, 60), ("unknown-flag", 2, 75), ("unknown-flag", 2, 84)];
    assert_eq!(places, expected);
    assert_eq!(errors[2]["help"], "known flags are signal, subflow, backup, fullmesh, laminar");
}

#[test]
fn json_names_the_endpoint_of_an_error_in_its_own_file() {
    let ran = check("invalid", "across-id", &["--format", "json"]).expect(78);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let error = &report["errors"][0];
    assert_eq!(error["code"], "duplicate-endpoint");
    assert_eq!(error["endpoint"], "lte");
    assert_eq!(error["file"], "across-id/20-site.yaml");
    assert_eq!((error["line"].as_u64(), error["column"].as_u64()), (Some(3), Some(34)));
}
