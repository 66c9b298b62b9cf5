use super::is_empty_line;

#[test]
fn only_an_empty_line_confirms() {
    for (parts, confirms) in [
        (&["\n"][..], true),
        (&["no\n"], false),
        (&["no", "\n"], false),
        (&["no\n", "\n"], true),
        (&[" \n"], false),
        (&["no", "t yet\n\n"], true),
    ] {
        let mut typed = false;
        let confirmed = parts.iter().fold(false, |_, part| is_empty_line(&mut typed, part.as_bytes()));
        assert_eq!(confirmed, confirms, "{parts:?}");
    }
}
