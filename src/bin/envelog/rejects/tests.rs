use std::fs;

use super::*;

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("rejects")
    }

    fn rejects(&self) -> Rejects {
        let input = self.directory.path().join("in");
        fs::write(&input, "").unwrap();
        let store = self.directory.path().join("store");
        Rejects::new(self.path(), &fs::metadata(input).unwrap(), &store).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.path()).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

fn add(rejects: &mut Rejects, reason: &str) {
    let line = Line::for_tests(rejects.count_with_pending() + 1);
    rejects.add(&line, None, &Error::Invalid { field: "x".into(), reason: reason.to_owned().into() });
}

#[test]
fn rejects_stand_in_the_file_before_they_are_kept_and_go_where_they_are_forgotten() {
    let place = Place::new();
    let mut rejects = place.rejects();
    add(&mut rejects, "one");
    rejects.write(true);
    let len = rejects.len();
    assert_eq!(fs::metadata(place.path()).unwrap().len(), len, "before anything is stored");
    assert_eq!((rejects.count(), rejects.count_with_pending()), (0, 1));
    rejects.keep();
    assert_eq!((rejects.count(), rejects.len()), (1, len));
    add(&mut rejects, "two");
    add(&mut rejects, "three");
    rejects.write(false);
    assert_eq!(place.lines().len(), 3);
    rejects.forget();
    assert_eq!((place.lines().len(), rejects.count(), rejects.len()), (1, 1, len));
    add(&mut rejects, "four");
    rejects.keep();
    rejects.end();
    assert_eq!(place.lines().len(), 2, "what is kept is written, if it was not before");
    assert!(place.lines()[1].contains("four"), "{:?}", place.lines());
}

#[test]
fn a_file_is_cut_to_what_it_had_and_goes_on_there() {
    let place = Place::new();
    let mut rejects = place.rejects();
    for reason in ["one", "two"] {
        add(&mut rejects, reason);
        rejects.keep();
    }
    let len = rejects.len();
    add(&mut rejects, "three");
    rejects.write(false);
    drop(rejects);
    for _ in 0..2 {
        let mut rejects = place.rejects();
        rejects.resume(len, 2);
        assert_eq!((place.lines().len(), rejects.len(), rejects.count()), (2, len, 2));
        assert!(rejects.file().is_some());
        add(&mut rejects, "four");
        rejects.keep();
        rejects.end();
        assert_eq!(place.lines().len(), 3);
        assert!(place.lines()[2].contains("\"line\":3") && place.lines()[2].contains("four"));
    }
}

#[test]
fn a_file_that_lost_its_end_goes_on_behind_its_last_whole_line() {
    let place = Place::new();
    let mut rejects = place.rejects();
    for reason in ["one", "two", "three"] {
        add(&mut rejects, reason);
        rejects.keep();
    }
    let len = rejects.len();
    drop(rejects);
    let whole = fs::read(place.path()).unwrap();
    for lost in [1, 10, whole.len() / 2] {
        fs::write(place.path(), &whole[..whole.len() - lost]).unwrap();
        let mut rejects = place.rejects();
        rejects.resume(len, 3);
        let kept = whole[..whole.len() - lost].split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(place.lines().len(), kept);
        add(&mut rejects, "four");
        rejects.keep();
        assert_eq!(rejects.len(), fs::metadata(place.path()).unwrap().len());
        assert_eq!(place.lines().len(), kept + 1);
    }
    fs::remove_file(place.path()).unwrap();
    let mut rejects = place.rejects();
    rejects.resume(len, 3);
    assert_eq!((rejects.count(), rejects.len(), rejects.file()), (3, 0, None));
    rejects.end();
}

#[test]
fn nothing_that_was_kept_means_an_old_file_is_replaced_or_removed() {
    let place = Place::new();
    let mut rejects = place.rejects();
    add(&mut rejects, "old");
    rejects.keep();
    drop(rejects);
    let mut rejects = place.rejects();
    rejects.resume(0, 0);
    assert_eq!(place.lines().len(), 1, "not before there is something to say");
    rejects.end();
    assert!(!place.path().exists());
}

#[test]
fn a_file_that_takes_no_more_keeps_what_it_has() {
    let place = Place::new();
    let mut rejects = place.rejects();
    add(&mut rejects, "one");
    rejects.keep();
    let len = rejects.len();
    rejects.out = Out::File(File::open(place.path()).unwrap());
    for reason in ["two", "three"] {
        add(&mut rejects, reason);
        rejects.write(true);
        assert_eq!(rejects.len(), len, "an import that resumes goes on behind what stands there");
        rejects.keep();
    }
    assert_eq!((rejects.count(), rejects.file()), (3, Some(place.path().as_path())));
    assert_eq!(place.lines().len(), 1);
}
