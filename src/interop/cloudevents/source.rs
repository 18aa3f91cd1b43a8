//! Sources: `/orgs/{orgId}/projects/{projectId}/{module}`.

use std::fmt::Write as _;

use uuid::Uuid;

/// Appends the source of a module's events.
pub(super) fn write(org_id: Uuid, project_id: Uuid, module: &str, out: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(out, "/orgs/{}/projects/{}/", org_id.hyphenated(), project_id.hyphenated());
    // One or two dots alone are no name in a path.
    let is_dots = matches!(module, "." | "..");
    for byte in module.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && !is_dots);
        if is_plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Organisation, project and module of a source of that form.
pub(super) fn read(source: &str) -> Option<(Uuid, Uuid, String)> {
    let mut parts = source.strip_prefix('/')?.split('/');
    let mut next = || parts.next();
    let (orgs, org_id, projects, project_id, module) = (next()?, next()?, next()?, next()?, next()?);
    if (orgs, projects, next()) != ("orgs", "projects", None) {
        return None;
    }
    Some((uuid(org_id)?, uuid(project_id)?, decode(module)?))
}

/// A UUID with or without hyphens, as in an envelope.
fn uuid(text: &str) -> Option<Uuid> {
    if !matches!(text.len(), 32 | 36) {
        return None;
    }
    Uuid::try_parse_ascii(text.as_bytes()).ok()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            // Query and fragment are not part of the path.
            b'?' | b'#' => return None,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
