//! What every command says of itself.

use insta::assert_snapshot;

use crate::cli::Place;

/// The names of all commands that the help shows.
fn commands(help: &str) -> Vec<&str> {
    let list = help.split_once("Commands:\n").expect("a list of commands").1;
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().next().unwrap()).collect()
}

#[test]
fn every_command_says_what_it_does() {
    let place = Place::new("");
    let help = place.data(&["--help"]);
    assert_snapshot!("conflux", help);
    let commands = commands(&help);
    assert!(commands.contains(&"serve") && commands.len() > 25, "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let long = place.data(&[command, "--help"]);
        assert_snapshot!(command, long);
        let short = place.data(&[command, "-h"]);
        let sentence = |text: &str| text.lines().next().unwrap().to_owned();
        assert_eq!(sentence(&short), sentence(&long), "{command}");
        assert!(help.contains(&sentence(&long)), "{command}: the list of all says the same");
        assert!(!sentence(&long).ends_with('.'), "{command}");
    }
}

#[test]
fn parts_of_commands_say_what_they_do() {
    let place = Place::new("");
    for part in ["list", "show"] {
        assert_snapshot!(format!("profile-{part}"), place.data(&["profile", part, "--help"]));
    }
    for part in ["verify", "search", "tail"] {
        assert_snapshot!(format!("audit-{part}"), place.data(&["audit", part, "--help"]));
    }
}
