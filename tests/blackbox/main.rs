//! The black box's file: what a process wrote is read by the next, whatever was torn; and how its end is judged.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cellheap::heap::boxfile::{self, BoxFile, Found, Page};
use cellheap::heap::kills::Kills;
use cellheap::heap::last::{End, Last, Now, SAMPLES, Sample, Words};
use proptest::prelude::*;

/// A path of the test's own; nothing is there.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("cellheap-box-{}-{name}", std::process::id()));
    drop(fs::remove_file(&path));
    path
}

/// What is in the file now, as the next process reads it. It is put back as it was.
fn found(path: &PathBuf) -> Option<Found> {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    let (_, found) = BoxFile::take(&copy).unwrap();
    fs::remove_file(&copy).unwrap();
    found
}

#[test]
fn the_newest_of_each_page_is_read() {
    let path = path("newest");
    let (mut file, before) = BoxFile::take(&path).unwrap();
    assert_eq!(before, None);
    file.begin().unwrap();
    assert_eq!(found(&path), Some(Found::default()));
    for text in ["one", "two", "three"] {
        assert!(file.write(Page::Now, text.as_bytes()));
    }
    assert!(file.write(Page::Words, b"words"));
    assert!(
        !file.write(Page::Now, &[b'x'; 4096]),
        "longer than its page"
    );
    let read = found(&path).unwrap();
    assert_eq!(read.now.as_deref(), Some(&b"three"[..]));
    assert_eq!(read.words.as_deref(), Some(&b"words"[..]));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    file.remove();
    assert!(!path.exists());
}

#[test]
fn what_a_file_of_others_holds_is_not_ours() {
    let path = path("other");
    fs::write(&path, vec![7; 100_000]).unwrap();
    let (_, found) = BoxFile::take(&path).unwrap();
    assert_eq!(found, None);
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_said_in_one_line() {
    let path = path("missing").join("box");
    let said = BoxFile::take(&path).unwrap_err().to_string();
    assert!(
        said.contains("cannot be opened") && said.lines().count() == 1,
        "{said}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stretch of the file is not what was written last: a page is one that was written whole, or none.
    #[test]
    fn a_torn_page_gives_the_one_before(
        texts in prop::collection::vec("[a-z]{0,900}", 1..5),
        start in 0_usize..(60 << 10),
        length in 0_usize..4_000,
        rubbish: u8,
    ) {
        let path = path("torn");
        let (mut file, _) = BoxFile::take(&path).unwrap();
        file.begin().unwrap();
        for text in &texts {
            prop_assert!(file.write(Page::Now, text.as_bytes()));
            prop_assert!(file.write(Page::Words, text.as_bytes()));
        }
        let mut bytes = fs::read(&path).unwrap();
        // The first bytes say whose file it is, and the mark is a crash's.
        let end = (start + length).min(bytes.len());
        bytes[start.max(32).min(end)..end].fill(rubbish);
        fs::write(&path, &bytes).unwrap();
        let read = found(&path).unwrap();
        for page in [read.now, read.words].into_iter().flatten() {
            prop_assert!(texts.iter().any(|text| text.as_bytes() == page));
        }
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn of_two_slots_one_survives_any_tear_of_the_other() {
    let path = path("slots");
    let (mut file, _) = BoxFile::take(&path).unwrap();
    file.begin().unwrap();
    file.write(Page::Now, b"before");
    let whole = fs::read(&path).unwrap();
    file.write(Page::Now, b"after!");
    let torn_at = |count: usize| {
        // The bytes of the second write that arrived, in order.
        let last = fs::read(&path).unwrap();
        let changed: Vec<usize> = (0..whole.len())
            .filter(|at| whole[*at] != last[*at])
            .collect();
        let mut torn = whole.clone();
        for at in &changed[..count.min(changed.len())] {
            torn[*at] = last[*at];
        }
        (torn, count >= changed.len())
    };
    let copy = path.with_extension("torn");
    for count in 0..60 {
        let (torn, complete) = torn_at(count);
        fs::write(&copy, torn).unwrap();
        let expected = if complete { "after!" } else { "before" };
        let read = found(&copy).unwrap().now.unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected, "{count} bytes");
    }
    fs::remove_file(&copy).unwrap();
    file.remove();
}

fn left(now: &Now, words: &Words, crash: Option<(i32, f64)>) -> Found {
    Found {
        now: Some(serde_json::to_vec(now).unwrap()),
        words: Some(serde_json::to_vec(words).unwrap()),
        crash,
    }
}

#[test]
fn a_crash_is_told_apart_from_a_kill() {
    let now = Now {
        at: 100.0,
        cell: "In[3]".into(),
        ..Now::default()
    };
    let words = Words {
        kills: Kills::read(),
        ..Words::default()
    };
    let judge = |crash| Last::judge(&left(&now, &words, crash), &words.kills).unwrap();
    let crashed = judge(Some((libc::SIGSEGV, 100.0)));
    assert_eq!(
        (crashed.end, &crashed.signal[..]),
        (End::Crashed, "SIGSEGV")
    );
    assert_eq!(judge(None).end, End::Killed);
    let outlived = judge(Some((libc::SIGSEGV, 90.0)));
    assert_eq!(
        outlived.end,
        End::Killed,
        "it was handled, and the process went on"
    );
}

#[test]
fn what_is_no_text_of_ours_tells_nothing() {
    let found = Found {
        now: Some(b"{".to_vec()),
        ..Found::default()
    };
    assert_eq!(Last::judge(&found, &Kills::default()), None);
    assert_eq!(Last::judge(&Found::default(), &Kills::default()), None);
}

#[test]
fn a_whole_minute_of_the_largest_numbers_fits_its_page() {
    let path = path("fits");
    let (mut file, _) = BoxFile::take(&path).unwrap();
    file.begin().unwrap();
    let most = 1 << 45;
    let sample = Sample {
        at: 1_799_999_999.123_456_7,
        live: most,
        rss: most,
        used: Some(most),
    };
    let words = Words {
        samples: vec![sample; SAMPLES + 1],
        holders: vec![holder(); 5],
        ..Words::default()
    };
    let text = serde_json::to_vec(&words).unwrap();
    assert!(file.write(Page::Words, &text), "{} bytes", text.len());
    let read: Words = serde_json::from_slice(&found(&path).unwrap().words.unwrap()).unwrap();
    assert_eq!(read, words);
    file.remove();
}

fn holder() -> cellheap::heap::last::Holder {
    let long = "long".repeat(100);
    cellheap::heap::last::Holder {
        origin: "In[1000000]".into(),
        place: cellheap::heap::last::Place {
            name: "In[1000000]".into(),
            file: long.clone(),
            line: u32::MAX,
            function: long,
        },
        live: 1 << 45,
    }
}

#[test]
fn a_mark_is_read_as_it_was_left() {
    let path = path("mark");
    let (mut file, _) = BoxFile::take(&path).unwrap();
    file.begin().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let mark = boxfile::mark(libc::SIGBUS, 12.5);
    bytes[boxfile::MARK as usize..][..mark.len()].copy_from_slice(&mark);
    fs::write(&path, bytes).unwrap();
    assert_eq!(found(&path).unwrap().crash, Some((libc::SIGBUS, 12.5)));
    fs::remove_file(&path).unwrap();
}
