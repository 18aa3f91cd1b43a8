use proptest::prelude::*;

use super::*;

fn reading(text: &str) -> i64 {
    parse(text).unwrap().get()
}

fn written(nanos: i64) -> String {
    let mut out = Vec::new();
    write_rfc3339(Nanos::new(nanos), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn known_times_are_read() {
    // Seconds by `date -u -d <time> +%s`.
    assert_eq!(reading("1970-01-01T00:00:00Z"), 0);
    assert_eq!(reading("2024-03-13T10:21:14Z"), 1_710_325_274_000_000_000);
    assert_eq!(reading("2000-02-29T12:00:00Z"), 951_825_600_000_000_000);
    assert_eq!(reading("2261-12-31T23:59:59.999999999Z"), 9_214_646_399_999_999_999);
}

#[test]
fn every_documented_spelling_is_read() {
    let noon = reading("2024-03-13T12:00:00Z");
    for text in [
        "2024-03-13t12:00:00z",
        "2024-03-13 12:00:00Z",
        "2024-03-13T12:00:00.0Z",
        "2024-03-13T12:00:00.0000000009Z",
        "2024-03-13T12:00:00+00:00",
        "2024-03-13T12:00:00-00:00",
        "2024-03-13T13:30:00+01:30",
        "2024-03-12T13:00:00-23:00",
        "2024-03-14T00:15:00+12:15",
    ] {
        assert_eq!(reading(text), noon, "{text}");
    }
    assert_eq!(reading("2024-03-13T12:00:00.123456789Z") - noon, 123_456_789);
    assert_eq!(reading("2024-03-13T12:00:00.1Z") - noon, 100_000_000);
}

#[test]
fn a_leap_second_is_the_first_second_of_the_next_day() {
    assert_eq!(reading("2016-12-31T23:59:60Z"), reading("2017-01-01T00:00:00Z"));
    assert_eq!(reading("2016-12-31T23:59:60.5Z"), reading("2017-01-01T00:00:00.5Z"));
    assert_eq!(reading("2017-01-01T00:59:60+01:00"), reading("2017-01-01T00:00:00Z"));
    assert_eq!(parse("2016-12-31T23:58:60Z"), Err(NO_SUCH_TIME));
    assert_eq!(parse("2016-12-31T23:59:60+01:00"), Err(NO_SUCH_TIME));
}

#[test]
fn a_time_without_offset_is_refused() {
    assert_eq!(parse("2024-03-13T10:21:14"), Err(NO_OFFSET));
    assert_eq!(parse("2024-03-13T10:21:14.123"), Err(NO_OFFSET));
}

#[test]
fn malformed_times_are_refused() {
    for text in [
        "",
        "now",
        "1710325274",
        "2024-03-13",
        "2024-03-13T10:21Z",
        "2024-03-13T10:21:14.Z",
        "2024-03-13T10:21:14,5Z",
        "2024-03-13T10:21:14+0100",
        "2024-03-13T10:21:14+01",
        "2024-03-13T10:21:14 Z",
        "2024-03-13T10:21:14Z ",
        " 2024-03-13T10:21:14Z",
        "2024-03-13T10:21:14ZZ",
        "2024-03-13X10:21:14Z",
        "2024-3-13T10:21:14Z",
        "24-03-13T10:21:14Z",
        "+2024-03-13T10:21:14Z",
        "20240313T102114Z",
        "2024-03-13T10:21:14+aa:00",
        "2024-03-13T1\u{661}:21:14Z",
        "2024-03-13T-1:21:14Z",
        "Wed, 13 Mar 2024 10:21:14 GMT",
    ] {
        assert_eq!(parse(text), Err(MALFORMED), "{text}");
    }
}

#[test]
fn times_that_do_not_exist_are_refused() {
    for text in [
        "2024-00-13T10:21:14Z",
        "2024-13-13T10:21:14Z",
        "2024-03-00T10:21:14Z",
        "2024-03-32T10:21:14Z",
        "2023-02-29T10:21:14Z",
        "2100-02-29T10:21:14Z",
        "2024-04-31T10:21:14Z",
        "2024-03-13T24:00:00Z",
        "2024-03-13T10:60:14Z",
        "2024-03-13T10:21:61Z",
        "2024-03-13T10:21:14+24:00",
        "2024-03-13T10:21:14+01:60",
    ] {
        assert_eq!(parse(text), Err(NO_SUCH_TIME), "{text}");
    }
}

#[test]
fn years_are_those_of_utc_and_end_with_2261() {
    assert_eq!(reading("1969-12-31T23:00:00-01:00"), 0);
    for text in [
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:30:00+01:00",
        "2262-01-01T00:00:00Z",
        "2261-12-31T23:59:60Z",
        "2261-12-31T23:30:00-01:00",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        assert_eq!(parse(text), Err(OUT_OF_RANGE), "{text}");
    }
    assert_eq!(from_datetime(DateTime::<Utc>::MAX_UTC), Err(OUT_OF_RANGE));
    assert_eq!(from_datetime(DateTime::<Utc>::MIN_UTC), Err(OUT_OF_RANGE));
}

#[test]
fn times_are_written_with_the_fewest_digits() {
    assert_eq!(written(0), "1970-01-01T00:00:00Z");
    assert_eq!(written(1_710_325_274_120_000_000), "2024-03-13T10:21:14.120Z");
    assert_eq!(written(1_710_325_274_000_001_000), "2024-03-13T10:21:14.000001Z");
    assert_eq!(written(1_710_325_274_000_000_001), "2024-03-13T10:21:14.000000001Z");
}

proptest! {
    #[test]
    fn chrono_reads_and_writes_the_same(seconds in 0..SECONDS_MAX, nanos in prop_oneof![Just(0), 0..NANOS_PER_SECOND]) {
        let time = Nanos::new(seconds * NANOS_PER_SECOND + nanos);
        let text = written(time.get());
        let theirs = DateTime::parse_from_rfc3339(&text).unwrap().to_utc();
        prop_assert_eq!(theirs.timestamp_nanos_opt(), Some(time.get()));
        prop_assert_eq!(to_datetime(time), theirs);
        prop_assert_eq!(from_datetime(theirs), Ok(time));
        prop_assert_eq!(parse(&text), Ok(time));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[0-9tTzZ:. +-]{0,40}|\\PC{0,40}") {
        let _ = parse(&text);
    }

    #[test]
    fn what_is_read_is_what_chrono_reads(text in "(19[67]|20[0-9]|22[56])[0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:[0-5][0-9])") {
        if let Ok(ours) = parse(&text) {
            let theirs = DateTime::parse_from_rfc3339(&text).unwrap();
            prop_assert_eq!(theirs.timestamp_nanos_opt(), Some(ours.get()));
        } else if let Ok(theirs) = DateTime::parse_from_rfc3339(&text) {
            let seconds = theirs.timestamp();
            prop_assert!(!(0..SECONDS_MAX).contains(&seconds), "refused {}", text);
        }
    }
}
