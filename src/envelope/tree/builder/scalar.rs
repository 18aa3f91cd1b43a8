//! Values one by one: limits on their lengths, and tokens in the place of addresses.

use super::{TREE_BYTES_MAX, TreeWriter, layout};
use crate::envelope::address::ProjectHasher;
use crate::envelope::json::Run;
use crate::envelope::number::{Number, Parts, Scanned};
use crate::error::Result;

impl TreeWriter<'_> {
    pub(crate) fn null(&mut self) -> Result<()> {
        self.value()?;
        self.core.out.push(layout::NULL);
        Ok(())
    }

    pub(crate) fn bool(&mut self, value: bool) -> Result<()> {
        if self.value()? {
            return self.put_token(if value { "true" } else { "false" });
        }
        self.core.out.push(if value { layout::TRUE } else { layout::FALSE });
        Ok(())
    }

    pub(crate) fn string(&mut self, value: &str) -> Result<()> {
        self.string_run(value.into())
    }

    /// As [`TreeWriter::string`].
    #[inline]
    pub(crate) fn string_run(&mut self, value: Run<'_>) -> Result<()> {
        let is_address = self.value()?;
        self.check_len(value.len())?;
        if is_address && value.len() > 0 {
            return self.put_token(value.as_str());
        }
        if let Some(hasher) = self.scrub
            && hasher.scrubs_text()
        {
            return self.put_scrubbed(value, hasher);
        }
        layout::put_string(&mut self.core.out, value);
        Ok(())
    }

    /// Puts a string in which every address becomes a token.
    fn put_scrubbed(&mut self, value: Run<'_>, hasher: &ProjectHasher) -> Result<()> {
        let mut scrubbed = std::mem::take(&mut self.core.token);
        let put = if hasher.scrub_text(value.as_str(), &mut scrubbed) {
            self.put_checked(&scrubbed)
        } else {
            layout::put_string(&mut self.core.out, value);
            Ok(())
        };
        self.core.token = scrubbed;
        put
    }

    pub(crate) fn number(&mut self, value: &Number) -> Result<()> {
        let is_address = self.value()?;
        match value.parts() {
            Some(parts) => self.put_parts(&parts, is_address),
            None => Err(self.fault("is not a finite number")),
        }
    }

    /// Takes a number that stands at the start of `text` and was scanned there.
    pub(crate) fn scanned_number(&mut self, scanned: &Scanned, text: &[u8]) -> Result<()> {
        let is_address = self.value()?;
        let mut digits = std::mem::take(&mut self.core.digits);
        let put = match scanned.parts(text, &mut digits) {
            Ok(parts) => self.put_parts(&parts, is_address),
            Err(reason) => Err(self.fault(reason)),
        };
        self.core.digits = digits;
        put
    }

    fn put_parts(&mut self, parts: &Parts<'_>, is_address: bool) -> Result<()> {
        if let Parts::Digits { digits, .. } = parts {
            self.check_len(digits.len())?;
        }
        if !is_address {
            layout::put_number(&mut self.core.out, parts);
            return Ok(());
        }
        let mut json = Vec::new();
        parts.write_json(&mut json);
        self.put_token(&String::from_utf8_lossy(&json))
    }

    /// Puts what is stored for a scalar below an address key.
    fn put_token(&mut self, text: &str) -> Result<()> {
        let mut token = std::mem::take(&mut self.core.token);
        token.clear();
        if let Some(hasher) = self.scrub {
            self.core.notes.foreign_token |= hasher.token_text(text, &mut token);
        }
        let put = self.put_checked(&token);
        self.core.token = token;
        put
    }

    fn put_checked(&mut self, stored: &str) -> Result<()> {
        let bytes_max = self.core.limits.string_bytes_max;
        if stored.len() > bytes_max {
            return Err(self.fault(format!("is longer than {bytes_max} bytes once its addresses are hashed")));
        }
        layout::put_string(&mut self.core.out, stored.into());
        Ok(())
    }

    #[inline]
    fn check_len(&self, len: usize) -> Result<()> {
        let bytes_max = self.core.limits.string_bytes_max;
        if len > bytes_max || self.core.out.len() - self.core.finished + len >= TREE_BYTES_MAX {
            return Err(self.fault(format!("is longer than {bytes_max} bytes")));
        }
        Ok(())
    }
}
