//! `completions` and `man`: what comes out is what shells and readers of manuals take.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{Answer, Place, tool};
use crate::support::ignored;

/// The names of all commands, as the help lists them.
fn commands() -> Vec<String> {
    let help = Answer::of(tool().arg("--help").output().unwrap()).success().out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let words = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> = words.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.contains(&"verify".to_owned()) && names.contains(&"man".to_owned()), "{names:?}");
    names.into_iter().filter(|name| name != "help").collect()
}

/// What a program says to this on its standard input; `None` where there is no such program.
fn give(program: &str, arguments: &[&str], input: &str) -> Option<Answer> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else { return None };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let answer = child.wait_with_output().unwrap();
    // A program may end without reading all of it.
    drop(writer.join().unwrap());
    Some(Answer {
        code: answer.status.code(),
        out: String::from_utf8_lossy(&answer.stdout).into_owned(),
        err: String::from_utf8_lossy(&answer.stderr).into_owned(),
    })
}

#[test]
fn completion_scripts_name_every_command_and_their_shells_read_them() {
    let place = Place::new();
    for (shell, arguments) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let script = Answer::of(tool().args(["completions", shell]).output().unwrap()).success();
        assert_eq!(script.err, "");
        for command in commands() {
            assert!(script.out.contains(&command), "{shell} does not complete {command}");
        }
        let path = place.write(shell, &script.out);
        match give(shell, &[arguments, &[path.to_str().unwrap()]].concat(), "") {
            Some(answer) => assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""), "{shell}"),
            None => ignored("completions", format_args!("there is no {shell}")),
        }
    }
    Answer::of(tool().args(["completions", "tcsh"]).output().unwrap()).fails(2, "bash, zsh, fish");
}

/// What the completion of a line's last word offers in bash.
#[test]
fn bash_completes_commands_and_options() {
    let place = Place::new();
    let script = Answer::of(tool().args(["completions", "bash"]).output().unwrap()).success();
    let path = place.write("script", &script.out);
    for (words, expected) in [("veri", "verify"), ("verify --le", "--level"), ("verify --level q", "quick")] {
        let last = words.split(' ').count();
        let commands = format!(
            "source {}; COMP_WORDS=(envelog {words}); COMP_CWORD={last}; \
             _envelog envelog \"${{COMP_WORDS[$COMP_CWORD]}}\" \"${{COMP_WORDS[$COMP_CWORD-1]}}\"; \
             echo \"${{COMPREPLY[@]}}\"",
            path.display()
        );
        let Some(answer) = give("bash", &["-c", &commands], "") else {
            ignored("completions", "there is no bash");
            return;
        };
        assert_eq!(answer.out.trim(), expected, "{words}: {answer:?}");
    }
}

#[test]
fn manual_pages_are_rendered_and_name_every_command() {
    let place = Place::new();
    let page = Answer::of(tool().arg("man").output().unwrap()).success();
    assert!(page.out.contains(".TH envelog 1"), "{}", page.out);
    let answer =
        Answer::of(tool().args(["man", "--dir"]).arg(place.path("a/pages")).output().unwrap()).success();
    assert_eq!(answer.out, "");
    let mut pages = vec![page.out];
    for command in commands() {
        assert!(
            pages[0].contains(&format!("envelog\\-{}(1)", command.replace('-', "\\-"))),
            "the page names no {command}"
        );
        let page = std::fs::read_to_string(place.path(&format!("a/pages/envelog-{command}.1"))).unwrap();
        let is_new = ["verify", "bench", "completions", "man"].contains(&command.as_str());
        assert!(page.contains("Examples:") || !is_new, "{command}");
        pages.push(page);
    }
    assert_eq!(std::fs::read_to_string(place.path("a/pages/envelog.1")).unwrap(), pages[0]);
    for page in pages {
        let Some(answer) = give("groff", &["-man", "-Tutf8", "-ww", "-P-cbou"], &page) else {
            ignored("man", "there is no groff");
            return;
        };
        assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
        assert!(answer.out.contains("SYNOPSIS"), "{}", answer.out);
    }
    place.write("file", "");
    let answer = tool().args(["man", "--dir"]).arg(place.path("file/pages")).output().unwrap();
    Answer::of(answer).fails(1, "file/pages");
}
