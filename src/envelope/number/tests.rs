use proptest::prelude::*;

use super::*;
use crate::envelope::value::arbitrary::check;

fn number(text: &str) -> Number {
    Number::from_text(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn equal_values_are_one_number_however_they_are_written() {
    let groups: &[&[&str]] = &[
        &["0", "-0", "0.0", "-0.000", "0e5", "-0e-7", "0e1000000000", "0.0e-99999999999999999999"],
        &["1", "1.0", "1e0", "10e-1", "0.1E1", "1.000e+0", "1000000000000000000000e-21"],
        &["-120", "-1.2e2", "-12e1", "-120.00"],
        &["18446744073709551615", "18446744073709551615.0", "1844674407370955161.5e1"],
        &["-9223372036854775808", "-9223372036854775808.0", "-9.223372036854775808e18"],
        &["-18446744073709551615", "-18446744073709551615.00"],
        &["18446744073709551616", "18446744073709551616.0", "1.8446744073709551616e19"],
        &["1e25", "10000000000000000000000000", "10e24", "0.1e26"],
        &["253.79", "253.790", "25379e-2", "0.25379e3"],
        &["0.1234567890123456789012345", "1234567890123456789012345e-25", "0.12345678901234567890123450"],
        &["1e-400", "0.1e-399", "10e-401"],
    ];
    for group in groups {
        for one in *group {
            for two in *group {
                assert_eq!(number(one), number(two), "{one} and {two}");
                assert_eq!(number(one).cmp(&number(two)), Ordering::Equal, "{one} and {two}");
            }
            let text = number(one).to_string();
            assert_eq!(number(&text), number(one), "{one} is printed as {text}");
            assert_eq!(text, number(group[0]).to_string(), "{one}");
        }
    }
    for (index, one) in groups.iter().enumerate() {
        for two in &groups[index + 1..] {
            assert_ne!(number(one[0]), number(two[0]));
        }
    }
}

#[test]
fn the_canonical_text_is_plain_and_short() {
    for (given, canonical) in [
        ("-0.0", "0"),
        ("1e2", "100"),
        ("1.50", "1.5"),
        ("253.790", "253.79"),
        ("0.00001", "0.00001"),
        ("0.000001", "1e-6"),
        ("0.00000123", "1.23e-6"),
        ("1e25", "1e25"),
        ("120e24", "1.2e26"),
        ("36893488147419103232", "36893488147419103232"),
        ("36893488147419103200", "36893488147419103200"),
        ("-123456789012345678901234567890.5", "-123456789012345678901234567890.5"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("5e-324", "5e-324"),
        ("1e-32768", "1e-32768"),
    ] {
        assert_eq!(number(given).to_string(), canonical);
    }
}

#[test]
fn what_is_no_json_number_is_refused() {
    for text in [
        "",
        "-",
        "+1",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "1e-",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "inf",
        " 1",
        "1 ",
        "1e5.5",
        "--1",
        "1-",
        "1,0",
        "\u{661}",
    ] {
        assert!(Number::from_text(text).is_err(), "{text}");
    }
}

#[test]
fn what_no_float_reaches_is_refused_without_being_expanded() {
    for text in [
        "1e999",
        "-1e999",
        "1e309",
        "1.8e308",
        "1e1000000000",
        "1e99999999999999999999999999",
        "17976931348623159e292",
    ] {
        let error = Number::from_text(text).unwrap_err().to_string();
        assert_eq!(error, "number: is larger than the largest 64-bit float", "{text}");
    }
    assert!(Number::from_text(&"9".repeat(310)).is_err());
    assert!(Number::from_text(&"9".repeat(308)).is_ok());
    for text in ["1e-32769", "1e-1000000000", "1e-99999999999999999999999999"] {
        assert!(
            Number::from_text(text).unwrap_err().to_string().contains("places after the point"),
            "{text}"
        );
    }
}

#[test]
fn integers_come_back_where_they_fit_and_only_there() {
    assert_eq!(number("9223372036854775807").as_i64(), Some(i64::MAX));
    assert_eq!(number("9223372036854775808").as_i64(), None);
    assert_eq!(number("9223372036854775808").as_u64(), Some(1 << 63));
    assert_eq!(number("18446744073709551616").as_u64(), None);
    assert_eq!(number("-9223372036854775808").as_i64(), Some(i64::MIN));
    assert_eq!(number("-9223372036854775809").as_i64(), None);
    assert_eq!(number("-1").as_u64(), None);
    assert_eq!(number("1.5").as_i64(), None);
    assert_eq!(Number::from(u128::MAX).to_string(), u128::MAX.to_string());
    assert_eq!(Number::from(i128::MIN).to_string(), i128::MIN.to_string());
    assert_eq!(Number::from(u64::MAX).as_u64(), Some(u64::MAX));
    assert_eq!(Number::from(0.1_f32).to_string(), "0.1");
    assert_eq!(Number::from(16_777_217.0_f64).as_i64(), Some(16_777_217));
    assert_eq!(Number::from(9_007_199_254_740_993_i64).to_string(), "9007199254740993");
}

#[test]
fn a_float_that_is_not_finite_is_no_number_of_a_text() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Number::from_f64(value), None);
        assert!(Number::from(value).as_f64().is_nan());
        assert!(Number::from(value) > Number::from(f64::MAX));
        assert_eq!(Number::from(value), Number::from(f64::NAN));
    }
}

#[test]
fn every_float_survives_and_reads_as_others_read_it() {
    check(5_000, &prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits)], |value| {
        prop_assume!(value.is_finite());
        let number = Number::from(value);
        let value = if value == 0.0 { 0.0 } else { value };
        prop_assert_eq!(number.as_f64().to_bits(), value.to_bits());
        let text = number.to_string();
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{}", &text);
        prop_assert_eq!(super::tests::number(&serde_json::to_string(&value).unwrap()), number);
        Ok(())
    });
}

#[test]
fn every_narrow_float_survives_and_is_what_its_json_text_is() {
    check(5_000, &any::<u32>().prop_map(f32::from_bits), |value| {
        prop_assume!(value.is_finite());
        let number = Number::from(value);
        prop_assert_eq!(number.to_string().parse::<f32>().ok(), Some(value));
        prop_assert_eq!(Number::from_text(&serde_json::to_string(&value).unwrap()).unwrap(), number);
        Ok(())
    });
}

#[test]
fn of_two_equally_short_texts_of_a_float_the_even_one_is_taken() {
    for (value, text) in [
        (3_523_199_949_650_161.0 / 4.0, "880799987412540.2"),
        (3_523_199_949_650_163.0 / 4.0, "880799987412540.8"),
        (-8_160_837_034_919_633.0 / 4.0, "-2040209258729908.2"),
        (5e-324, "5e-324"),
        (9_007_199_254_740_992.0, "9007199254740992"),
    ] {
        assert_eq!(Number::from(value).to_string(), text);
        assert_eq!(serde_json::to_string(&value).unwrap().parse::<Number>().unwrap(), Number::from(value));
    }
    // Quarters of this size are ties more often than not.
    check(3_000, &(1_u64 << 51..1 << 53), |quarters| {
        #[expect(clippy::cast_precision_loss, reason = "at most 53 bits")]
        let value = quarters as f64 / 4.0;
        prop_assert_eq!(number(&serde_json::to_string(&value).unwrap()), Number::from(value));
        Ok(())
    });
}

#[test]
fn numbers_are_ordered_by_value() {
    // Mantissa times a power of ten, both small enough to compare as integers of 128 bits.
    let decimal = || (prop_oneof![any::<i64>(), -50_i64..50, Just(i64::MAX), Just(i64::MIN)], -9_i32..9_i32);
    check(5_000, &(decimal(), decimal()), |((m, e), (n, f))| {
        let exact = |mantissa: i64, exponent: i32| {
            i128::from(mantissa) * 10_i128.pow(u32::try_from(exponent + 9).unwrap())
        };
        let (one, two) = (number(&format!("{m}e{e}")), number(&format!("{n}e{f}")));
        prop_assert_eq!(one.cmp(&two), exact(m, e).cmp(&exact(n, f)));
        prop_assert_eq!(one == two, exact(m, e) == exact(n, f));
        Ok(())
    });
}

#[test]
fn long_digits_round_to_the_nearest_float() {
    let long = "[1-9][0-9]{19,60}";
    check(2_000, &(long, -350_i32..250), |(digits, exponent)| {
        let text = format!("{digits}e{exponent}");
        let nearest: f64 = text.parse().unwrap();
        if nearest.is_infinite() {
            prop_assert!(Number::from_text(&text).is_err(), "{}", &text);
            return Ok(());
        }
        prop_assert_eq!(number(&text).as_f64().to_bits(), nearest.to_bits(), "{}", &text);
        Ok(())
    });
    // A tie is broken by a digit far behind those that decide all other numbers.
    let tie = "9007199254740993";
    let above = format!("{tie}.{}1", "0".repeat(2_000));
    assert_eq!(Number::from(number(tie).as_f64()), number("9007199254740992"));
    assert_eq!(Number::from(number(&above).as_f64()), number("9007199254740994"));
}
