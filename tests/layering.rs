//! The arrows of `src/lib.rs`, kept: reads the source and fails on one that turns back.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may name.
const ARROWS: [(&str, &[&str]); 7] = [
    ("wire", &[]),
    ("kernel", &["wire"]),
    ("heap", &[]),
    ("hooks", &["heap"]),
    ("graph", &["heap"]),
    ("chart", &["heap", "graph"]),
    ("py", &["kernel", "wire", "hooks", "graph", "chart", "heap"]),
];

#[test]
fn no_arrow_turns_back() {
    let mut turned = Vec::new();
    for (room, allowed) in rooms() {
        for (file, code) in code_of(room) {
            let named = rooms_named(&code).into_iter();
            let wrong = named.filter(|to| *to != room && !allowed.contains(to));
            turned.extend(wrong.map(|to| format!("{file}: {room} names {to}")));
        }
    }
    assert!(turned.is_empty(), "{}", turned.join("\n"));
}

#[test]
fn python_is_named_at_the_edge_alone() {
    let inner = rooms().filter(|(room, _)| *room != "py");
    let named: Vec<String> = inner
        .flat_map(|(room, _)| code_of(room))
        .filter(|(_, code)| code.contains("pyo3"))
        .map(|(file, _)| file)
        .collect();
    assert!(
        named.is_empty(),
        "pyo3 outside src/py: {}",
        named.join(", ")
    );
}

#[test]
fn the_map_has_every_room() {
    let map = fs::read_to_string(source().join("lib.rs")).expect("src/lib.rs is there");
    let mut on_disk: Vec<String> = folders(&source());
    let mut on_map: Vec<String> = map
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
        .map(|name| name.trim_end_matches(';').to_string())
        .collect();
    on_disk.sort();
    on_map.sort();
    assert_eq!(on_map, on_disk);
    assert!(
        on_map
            .iter()
            .all(|room| ARROWS.iter().any(|(known, _)| known == room))
    );
}

/// The rooms that exist so far.
fn rooms() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    ARROWS
        .into_iter()
        .filter(|(room, _)| source().join(room).is_dir())
}

/// What follows `crate::` in code: one room, or several in braces.
fn rooms_named(code: &str) -> Vec<&str> {
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list
                .split(';')
                .take(1)
                .flat_map(|list| list.split(','))
                .map(first_word)
                .collect(),
            None => vec![first_word(rest)],
        })
        .filter(|word| ARROWS.iter().any(|(room, _)| room == word))
        .collect()
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// Every file of a room with its text, comments left out.
fn code_of(room: &str) -> Vec<(String, String)> {
    let code = |file: PathBuf| {
        let text = fs::read_to_string(&file).expect("a source file is readable text");
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        (
            file.display().to_string(),
            lines.collect::<Vec<_>>().join("\n"),
        )
    };
    rust_files(&source().join(room))
        .into_iter()
        .map(code)
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) =
        entries(folder).into_iter().partition(|path| path.is_dir());
    files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .chain(folders.iter().flat_map(|inner| rust_files(inner)))
        .collect()
}

fn folders(folder: &Path) -> Vec<String> {
    let inner = entries(folder).into_iter().filter(|path| path.is_dir());
    inner
        .map(|path| {
            path.file_name()
                .expect("an entry has a name")
                .to_string_lossy()
                .into()
        })
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).expect("a folder of src/ can be listed");
    read.map(|entry| entry.expect("an entry of src/ can be read").path())
        .collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
