//! What came back.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use super::Error;

/// A response, read to its end or to the limit of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status, 200 for one.
    pub status: u16,
    /// The headers in order, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) is_cut: bool,
}

impl Response {
    /// Whether the status is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header with this name, in any case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; what is no UTF-8 becomes `U+FFFD`.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as a value.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no JSON of this shape; the text names the place.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| Error::Malformed(format!("the response is not the JSON that was expected: {error}")))
    }

    /// Whether the body went on after what was read: only with [`cut_body_at`](super::Request::cut_body_at).
    pub fn was_cut(&self) -> bool {
        self.is_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_as_text_and_as_json() {
        let response = Response {
            status: 204,
            headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
            body: br#"{"a":[1,"x"]}"#.to_vec(),
            is_cut: false,
        };
        assert!(response.is_success());
        assert_eq!(response.header("Content-Type"), Some("application/json"));
        assert_eq!(response.json::<serde_json::Value>().unwrap()["a"][0], 1);
        let wrong = response.json::<std::collections::BTreeMap<String, Vec<u8>>>().unwrap_err().to_string();
        assert!(wrong.contains("a[1]"), "{wrong}");
    }
}
