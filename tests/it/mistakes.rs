//! Thirty and more mistakes that people make: each is told with its line and a remedy, alone and
//! among all the others.

use crate::cli::Place;

/// A configuration without a mistake.
const RIGHT: &str = r#"upstreams:
  files:
    command: npx
    args: [-y, server]
    env: { A: "${HOME}" }
    cwd: .
    timeout: { call: 60s, start: 30s, idle: 10m }
    concurrency: { calls: 4, queue: 8 }
    start: lazy
    required: false
    prefix: f
    tools:
      allow: ["*"]
      deny: ["delete_*"]
      annotations: { readOnlyHint: true }
      override:
        move: { name: mv, timeout: 1m }
        copy: { arguments: { to: { name: target }, mode: { value: x } } }
      variants:
        look: { of: move }
  web:
    url: https://example.com/mcp
    headers: { X-A: b }
    transport: http
    results: { spill: 64KiB }
names: { max_length: 50 }
limits: { message: 16MiB, in_flight: 256, start_budget: 5s }
profiles:
  small: { upstreams: [files], tools: { allow: ["*"] }, clients: ["a*"] }
exposure: auto
pinned: ["f__*"]
profile: small
http: { listen: "127.0.0.1:0" }
"#;

/// What is right, and what somebody wrote in its place.
const MISTAKES: [(&str, &str); 30] = [
    ("command: npx", "comand: npx"),
    ("args: [-y, server]", "args: server"),
    ("${HOME}", "${HOEM}"),
    ("call: 60s", "call: 60"),
    ("start: 30s", "start: 30x"),
    ("calls: 4", "calls: 0"),
    ("start: lazy", "start: lasy"),
    ("required: false", "required: no"),
    ("prefix: f", "prefix: f__g"),
    (r#"deny: ["delete_*"]"#, r#"deny: ["[a"]"#),
    ("readOnlyHint", "readonlyHint"),
    ("name: mv", "nam: mv"),
    ("timeout: 1m", "timeout: 0ms"),
    ("{ of: move }", "{ off: move }"),
    ("https://example.com/mcp", "example.com/mcp"),
    ("X-A: b", "Content-Length: b"),
    ("transport: http", "transport: htp"),
    ("spill: 64KiB", "spill: 64"),
    ("max_length: 50", "max_length: 5"),
    ("message: 16MiB", "message: 16"),
    ("in_flight: 256", "in_flight: many"),
    ("start_budget: 5s", "start_budget: 5m"),
    ("upstreams: [files]", "upstreams: [file]"),
    (r#"clients: ["a*"]"#, "clients: a"),
    ("exposure: auto", "exposure: serch"),
    (r#"pinned: ["f__*"]"#, r#"pinned: ["{f"]"#),
    ("profile: small", "profile: smal"),
    ("127.0.0.1:0", "0.0.0.0:80"),
    ("value: x }", "value: x, default: y }"),
    ("    cwd: .", "    cwd: [.]"),
];

/// Those after which nothing else can be told, or that are about the line of another one.
const ALONE: [(&str, &str); 6] = [
    ("exposure: auto", "names: {}"),
    ("  web:", "  files:"),
    ("  web:", "  we b:"),
    ("of: move", r#"of: """#),
    ("    cwd: .", "\tcwd: ."),
    ("limits: {", "limit: {"),
];

/// The line that a mistake is on, counted from one.
fn line(right: &str) -> usize {
    let before = RIGHT.split(right).next().expect("it is there");
    assert!(before.len() < RIGHT.len(), "`{right}` is not there");
    before.matches('\n').count() + 1
}

/// What is said of a configuration, by line: whether it has a remedy.
fn told(config: &str) -> Vec<(usize, bool)> {
    let shown = Place::new(config).run(&["check"]);
    assert!(shown.starts_with("exit code 3\n"), "{shown}");
    let errors = shown.split("error: upstreams.yaml:").skip(1);
    let told = errors.map(|error| {
        let (line, _) = error.split_once(':').expect("a line");
        (line.parse().expect("a number"), error.contains("\n\nhint: "))
    });
    told.collect()
}

#[test]
fn what_is_right_is_right() {
    let shown = Place::new(RIGHT).run(&["check"]);
    assert!(shown.starts_with("exit code 0\n") && !shown.contains("warning"), "{shown}");
}

#[test]
fn each_mistake_is_told_with_its_line_and_a_remedy() {
    for (right, wrong) in MISTAKES.into_iter().chain(ALONE) {
        let told = told(&RIGHT.replacen(right, wrong, 1));
        let line = line(right);
        assert!(told.contains(&(line, true)), "`{wrong}` in line {line}: {told:?}");
    }
}

#[test]
fn none_is_swallowed_by_the_others() {
    let all = MISTAKES.iter();
    let all = all.fold(RIGHT.to_owned(), |text, (right, wrong)| text.replacen(right, wrong, 1));
    let told = told(&all);
    assert!(told.iter().all(|(_, has_remedy)| *has_remedy), "{told:?}");
    for (right, wrong) in MISTAKES {
        let line = line(right);
        let of_line = MISTAKES.iter().filter(|(right, _)| self::line(right) == line).count();
        let found = told.iter().filter(|(there, _)| *there == line).count();
        assert!(found >= of_line, "`{wrong}` in line {line}: {told:?}");
    }
}
