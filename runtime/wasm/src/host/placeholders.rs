//! Secrets in header values: `{{secret:NAME}}`, and `{{secret-basic:USER:NAME}}` for basic authentication.
//!
//! Invariant: here a secret is a name. Its value is put in by the task that sends, after everything else was decided.

use openclaw_domain::{HeaderPart, SecretName};

const OPENS: &str = "{{secret";
const CLOSES: &str = "}}";

/// A header's value taken apart, if a secret is in it; a placeholder that names none is text.
pub(super) fn parts(value: &str) -> Option<Vec<HeaderPart>> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut found = false;
    let mut rest = value;
    while let Some(at) = rest.find(OPENS) {
        text.push_str(&rest[..at]);
        let inner = rest[at + OPENS.len()..].find(CLOSES).map(|end| &rest[at + 2..at + OPENS.len() + end]);
        match inner.and_then(|inner| Some((read(inner)?, inner.len() + 4))) {
            Some((part, length)) => {
                if !text.is_empty() {
                    parts.push(HeaderPart::Text(std::mem::take(&mut text)));
                }
                parts.push(part);
                found = true;
                rest = &rest[at + length..];
            }
            None => {
                text.push_str(OPENS);
                rest = &rest[at + OPENS.len()..];
            }
        }
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(HeaderPart::Text(text));
    }
    found.then_some(parts)
}

fn read(inner: &str) -> Option<HeaderPart> {
    if let Some(name) = inner.strip_prefix("secret:") {
        return Some(HeaderPart::Secret(name.parse().ok()?));
    }
    let (user, name) = inner.strip_prefix("secret-basic:")?.rsplit_once(':')?;
    let secret = HeaderPart::Secret(name.parse().ok()?);
    // RFC 7617: a colon ends the name of the user.
    let user = (!user.contains(':')).then(|| HeaderPart::Text(format!("{user}:")))?;
    Some(HeaderPart::Base64(vec![user, secret]))
}

/// The names in it.
pub(super) fn names(parts: &[HeaderPart]) -> Vec<&SecretName> {
    parts
        .iter()
        .flat_map(|part| match part {
            HeaderPart::Text(_) => Vec::new(),
            HeaderPart::Secret(name) => vec![name],
            HeaderPart::Base64(inner) => names(inner),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str) -> HeaderPart {
        HeaderPart::Secret(name.parse().unwrap())
    }

    fn text(text: &str) -> HeaderPart {
        HeaderPart::Text(text.to_owned())
    }

    #[test]
    fn a_placeholder_is_taken_out_of_the_text_around_it() {
        assert_eq!(parts("Bearer {{secret:token}}"), Some(vec![text("Bearer "), secret("token")]));
        assert_eq!(parts("{{secret:a}}{{secret:b}}."), Some(vec![secret("a"), secret("b"), text(".")]));
        let basic = HeaderPart::Base64(vec![text("me:"), secret("password")]);
        assert_eq!(parts("Basic {{secret-basic:me:password}}"), Some(vec![text("Basic "), basic]));
    }

    #[test]
    fn what_names_no_secret_is_text() {
        for value in ["", "plain", "{{secret:}}", "{{secret:A}}", "{{secret:a", "{{secrets:a}}", "{{secret-basic:a}}"] {
            assert_eq!(parts(value), None, "{value}");
        }
        assert_eq!(parts("{{secret:{{secret:a}}"), Some(vec![text("{{secret:"), secret("a")]));
    }
}
