//! Writes JSON text into a growing string, without allocation once that has its size.

/// An open JSON object. Commas are its business; values must be JSON text already escaped.
pub(super) struct Json<'a> {
    out: &'a mut String,
}

impl<'a> Json<'a> {
    pub(super) const fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    /// Appends text as it is.
    pub(super) fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Lets `write` append text as it is.
    pub(super) fn with(&mut self, write: impl FnOnce(&mut String)) {
        write(self.out);
    }

    /// Starts the entry `key`; its value must follow.
    pub(super) fn key(&mut self, key: &str) {
        self.comma();
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// Starts the entry of a list or an object, with a comma unless it is the first.
    fn comma(&mut self) {
        if !matches!(self.out.as_bytes().last(), Some(b'{' | b'[')) {
            self.out.push(',');
        }
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.push('"');
        self.out.push_str(value);
        self.out.push('"');
    }

    /// A text made of a prefix and a hash in 2 to 16 hexadecimal digits.
    pub(super) fn hex(&mut self, key: &str, prefix: &str, hash: u64, digits: usize) {
        self.key(key);
        self.out.push('"');
        self.out.push_str(prefix);
        push_hex(self.out, hash, digits);
        self.out.push('"');
    }

    /// A text made of a prefix and a number with leading zeros.
    pub(super) fn tag(&mut self, key: &str, prefix: &str, number: u64, digits: usize) {
        self.key(key);
        self.out.push('"');
        self.out.push_str(prefix);
        push_number(self.out, number, digits);
        self.out.push('"');
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        push_number(self.out, value, 1);
    }

    /// Hundredths as a decimal without idle zeros: 12.34, 12.3, 12.
    pub(super) fn hundredths(&mut self, key: &str, value: u64) {
        self.key(key);
        push_number(self.out, value / 100, 1);
        let rest = value % 100;
        if rest != 0 {
            self.out.push('.');
            if rest.is_multiple_of(10) {
                push_number(self.out, rest / 10, 1);
            } else {
                push_number(self.out, rest, 2);
            }
        }
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn null(&mut self, key: &str) {
        self.key(key);
        self.out.push_str("null");
    }

    pub(super) fn open(&mut self, key: &str) {
        self.key(key);
        self.out.push('{');
    }

    pub(super) fn open_list(&mut self, key: &str) {
        self.key(key);
        self.out.push('[');
    }

    /// Opens an object inside a list.
    pub(super) fn open_item(&mut self) {
        self.comma();
        self.out.push('{');
    }

    /// A text inside a list.
    pub(super) fn item(&mut self, value: &str) {
        self.comma();
        self.out.push('"');
        self.out.push_str(value);
        self.out.push('"');
    }

    pub(super) fn close(&mut self) {
        self.out.push('}');
    }

    pub(super) fn close_list(&mut self) {
        self.out.push(']');
    }

    /// A time in milliseconds since 1970 as `2024-01-31T23:59:59.123Z`.
    pub(super) fn time(&mut self, key: &str, unix_ms: u64) {
        self.key(key);
        self.out.push('"');
        push_time(self.out, unix_ms);
        self.out.push('"');
    }
}

/// Appends `number` with at least `digits` digits, at most 20.
pub(super) fn push_number(out: &mut String, number: u64, digits: usize) {
    let mut text = [b'0'; 20];
    let mut rest = number;
    let mut from = text.len();
    while rest != 0 {
        from -= 1;
        text[from] = digit(rest % 10);
        rest /= 10;
    }
    push_ascii(out, &text[from.min(text.len() - digits)..]);
}

/// Appends the lowest `digits` hexadecimal digits of `hash`, at most 16.
pub(super) fn push_hex(out: &mut String, hash: u64, digits: usize) {
    let mut text = [b'0'; 16];
    let text = &mut text[..digits];
    let mut rest = hash;
    for place in text.iter_mut().rev() {
        *place = digit(rest & 15);
        rest >>= 4;
    }
    push_ascii(out, text);
}

fn push_time(out: &mut String, unix_ms: u64) {
    const DAY_MS: u64 = 86_400_000;
    let (year, month, day) = civil_date(unix_ms / DAY_MS);
    let ms = unix_ms % DAY_MS;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (from, until, value) in [
        (0, 4, year),
        (5, 7, month),
        (8, 10, day),
        (11, 13, ms / 3_600_000),
        (14, 16, ms / 60_000 % 60),
        (17, 19, ms / 1_000 % 60),
        (20, 23, ms % 1_000),
    ] {
        let mut rest = value;
        for place in text[from..until].iter_mut().rev() {
            *place = digit(rest % 10);
            rest /= 10;
        }
    }
    push_ascii(out, &text);
}

/// Year, month and day of a day since 1970: `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level
/// Date Algorithms", for days that are not negative.
const fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The digit for a value below 16.
fn digit(value: u64) -> u8 {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    DIGITS[(value & 15) as usize]
}

fn push_ascii(out: &mut String, text: &[u8]) {
    out.push_str(str::from_utf8(text).unwrap_or_default());
}
