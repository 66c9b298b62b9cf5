//! The published JSON Schema against the program: what `check` accepts it accepts, and it refuses what a schema can
//! tell.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

use super::cases::{folder, samples};
use super::support::{program, project, run};

/// Invalid samples that the schema accepts, and why it cannot do better.
const BEYOND_A_SCHEMA: [(&str, &str); 37] = [
    ("across-address", "across files"),
    ("across-id", "across files"),
    ("across-path-manager", "across files"),
    ("across-uplink-dev", "across files"),
    ("check-of-a-router-of-two-files", "across files"),
    ("contradictions", "arithmetic"),
    ("endpoint-empty-mapping", "another file may say it"),
    ("family-against-prefix", "arithmetic"),
    ("id-on-selector", "another file may say it"),
    ("limits-float", "4.0 is an integer in JSON Schema"),
    ("link-local-without-dev", "another file may say it"),
    ("no-flags", "another file may say it"),
    ("no-target", "another file may say it"),
    ("overlay-makes-bad", "across files"),
    ("overlay-of-nothing", "across files"),
    ("overlay-prefix-over-id", "across files"),
    ("port-on-link-local", "the kernel's rule; too rare for a pattern"),
    ("port-on-selector", "another file may say it"),
    ("prefix-host-bits", "arithmetic"),
    ("prefix-mapped", "arithmetic"),
    ("twice-address", "across endpoints"),
    ("twice-address-and-port", "across endpoints"),
    ("twice-address-ipv6", "across endpoints"),
    ("twice-address-mapped", "across endpoints"),
    ("twice-id", "across endpoints"),
    ("twice-id-thrice", "across endpoints"),
    ("twice-on-a-long-line", "across endpoints"),
    ("uplink-dev-twice", "across uplinks"),
    ("uplink-gateway-of-several", "another file may say it"),
    ("uplink-of-two-files", "across files"),
    ("version-float", "1.0 is 1 in JSON Schema"),
    ("withdrawn-then-bare", "across files"),
    ("withdrawn-uplink-nothing", "across files"),
    ("yaml-alias", "YAML only"),
    ("yaml-comment-in-word", "YAML only"),
    ("yaml-tag-standard", "YAML only"),
    ("withdrawn-nothing", "another file may declare it"),
];

pub fn published() -> Value {
    let text = fs::read_to_string(project().join("schema/mptcp-apply.schema.json")).expect("the schema");
    serde_json::from_str(&text).expect("JSON")
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&published()).expect("a schema")
}

/// The files that `check` reads for this sample.
fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    entries.filter(|path| name(path).ends_with(".yaml") && !name(path).starts_with('.')).collect()
}

/// What an ordinary YAML reader and the schema say against a file.
fn objection(validator: &Validator, path: &Path) -> Option<String> {
    let bytes = fs::read(path).expect("a file");
    // This reader takes the mark for a document of its own.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let value: serde_yaml::Value = match serde_yaml::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => return Some(format!("no YAML: {error}")),
    };
    let value = match serde_json::to_value(&value) {
        Ok(value) => value,
        Err(error) => return Some(format!("no JSON: {error}")),
    };
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    (!errors.is_empty()).then(|| errors.join("\n"))
}

#[test]
fn the_schema_is_one() {
    let schema = published();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
        panic!("{}: {error}", error.instance_path());
    }
    every_property_is_described(&schema, &schema["$defs"]);
}

/// Editors show titles, explain the members of an `enum`, and have words for what a pattern or a range refuses.
#[test]
fn it_helps_in_editors() {
    let schema = published();
    let mut seen = [0; 3];
    helps_in_editors(&schema, &mut seen);
    assert!(seen[0] > 40 && seen[1] > 10 && seen[2] > 10, "{seen:?}");
}

/// Counts titles, explained members, and messages.
#[track_caller]
fn helps_in_editors(schema: &Value, seen: &mut [usize; 3]) {
    let Value::Object(members) = schema else {
        schema.as_array().into_iter().flatten().for_each(|item| helps_in_editors(item, seen));
        return;
    };
    if members.get("additionalProperties") == Some(&Value::Bool(false)) {
        let properties = members["properties"].as_object().expect("properties").values();
        for titled in properties.chain([schema]) {
            let title = titled["title"].as_str().unwrap_or_else(|| panic!("no title: {titled}"));
            assert!((4..=50).contains(&title.len()), "{title}");
            seen[0] += 1;
        }
    }
    if let Some(descriptions) = members.get("enumDescriptions").and_then(Value::as_array) {
        assert_eq!(descriptions.len(), members["enum"].as_array().expect("members").len());
        seen[1] += descriptions.len();
    }
    // Conditions, whose failure is that of a whole mapping, have no words of their own.
    let is_range = members.contains_key("maximum") && members.contains_key("examples");
    if is_range
        || (members.contains_key("pattern") && members.get("type").is_some_and(|kind| kind == "string"))
    {
        let message = members.get("errorMessage").and_then(Value::as_str);
        assert!(message.is_some_and(|message| message.len() > 10), "no message: {schema}");
        seen[2] += 1;
    }
    members.values().for_each(|member| helps_in_editors(member, seen));
}

#[track_caller]
fn every_property_is_described(schema: &Value, defs: &Value) {
    match schema {
        Value::Object(members) => {
            // The other mappings of properties are parts of conditions.
            let closed = members.get("additionalProperties") == Some(&Value::Bool(false));
            let properties = members.get("properties").and_then(Value::as_object).filter(|_| closed);
            for (name, property) in properties.into_iter().flatten() {
                let description = property["description"].as_str().unwrap_or_default();
                assert!(description.len() > 10, "`{name}` is not described");
                tells_of_absence_and_range(name, property, description);
                has_examples(name, property, defs);
            }
            members.values().for_each(|member| every_property_is_described(member, defs));
        }
        Value::Array(items) => items.iter().for_each(|item| every_property_is_described(item, defs)),
        _ => {}
    }
}

/// Editors show the description alone. Most keys have no `default`: no value means that a setting is not managed.
#[track_caller]
fn tells_of_absence_and_range(name: &str, property: &Value, description: &str) {
    let absence = match property.get("default") {
        Some(default) => vec![format!("Default: {default}.")],
        None => vec!["Absent: ".to_owned(), "Required. ".to_owned()],
    };
    let text = format!("{description} ");
    assert!(absence.iter().any(|words| text.contains(words)), "`{name}` when absent: {description}");
    // That of a limit is the kernel's, which no schema knows.
    if let Some(maximum) = property.get("maximum") {
        assert!(
            text.contains(&format!("rom {} to {maximum}", property["minimum"])),
            "`{name}`: {description}"
        );
    }
}

#[track_caller]
fn has_examples(name: &str, property: &Value, defs: &Value) {
    let examples = property["examples"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!examples.is_empty(), "`{name}` has no example");
    let mut alone = property.clone();
    alone["$defs"] = defs.clone();
    let validator = jsonschema::draft202012::new(&alone).expect("a schema");
    for example in examples.iter().chain(property.get("default")) {
        assert!(validator.is_valid(example), "`{name}`: {example} is no example");
    }
}

/// Copied to wherever a configuration belongs, an example still finds the schema that a package installed.
#[test]
fn examples_name_the_installed_schema() {
    const LINE: &str = "# yaml-language-server: $schema=/usr/share/mptcp-apply/mptcp-apply.schema.json";
    let examples = fs::read_dir(project().join("examples")).expect("a folder");
    let mut seen = 0;
    let examples = examples.map(|entry| entry.expect("an entry").path());
    for example in examples.filter(|path| path.extension().is_some_and(|end| end == "yaml")) {
        let text = fs::read_to_string(&example).expect("an example");
        assert_eq!(text.lines().nth(1), Some(LINE), "{}", example.display());
        seen += 1;
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn its_examples_are_valid() {
    let validator = validator();
    let schema = published();
    let examples = schema["examples"].as_array().expect("examples");
    assert!(!examples.is_empty());
    for example in examples {
        if let Err(error) = validator.validate(example) {
            panic!("{error}");
        }
        let mut command = program();
        command.args(["check", "-"]);
        run(command, &example.to_string()).expect(0);
    }
}

#[test]
fn valid_samples_and_examples_are_accepted() {
    let validator = validator();
    let samples = samples("valid").into_iter().map(|sample| folder("valid").join(sample));
    let examples = fs::read_dir(project().join("examples")).into_iter().flatten();
    let examples = examples.map(|entry| entry.expect("an entry").path());
    let examples = examples.filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "yaml"));
    for file in samples.chain(examples).flat_map(|path| files(&path)) {
        if let Some(objection) = objection(&validator, &file) {
            panic!("{}: {objection}", file.display());
        }
    }
}

#[test]
fn invalid_samples_are_refused_where_a_schema_can_tell() {
    let validator = validator();
    let mut wrong = Vec::new();
    let mut excused = 0;
    for sample in samples("invalid") {
        let files = files(&folder("invalid").join(&sample));
        let objection = files.iter().find_map(|file| objection(&validator, file));
        let name = sample.strip_suffix(".yaml").unwrap_or(&sample);
        let reason = BEYOND_A_SCHEMA.iter().find(|(excused, _)| *excused == name);
        excused += usize::from(reason.is_some());
        match (objection, reason) {
            (None, None) => wrong.push(format!("{name}: the schema accepts it")),
            (Some(objection), Some(_)) => {
                wrong.push(format!("{name}: the schema refuses it after all: {objection}"))
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(excused, BEYOND_A_SCHEMA.len(), "an excused sample is gone");
}

#[test]
fn the_program_prints_it() {
    let mut command = program();
    command.arg("schema");
    let printed = run(command, "").expect(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&printed).expect("JSON"), published());
}
