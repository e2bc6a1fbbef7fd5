//! Which component goes where. Over the admin socket this is the query of a request whose body is the component.

use serde::{Deserialize, Serialize};

/// Where to install a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Install {
    /// Whose it becomes.
    pub(crate) tenant: String,
    /// What it is called, if not as its manifest says.
    #[serde(default)]
    pub(crate) name: Option<String>,
}

impl Install {
    /// As a query.
    pub(crate) fn to_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("tenant", &self.tenant);
        if let Some(name) = &self.name {
            query.append_pair("name", name);
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_arrives_as_it_was_typed() {
        let install = Install { tenant: "acme".to_owned(), name: Some("a&tenant=b ü".to_owned()) };
        let uri: http::Uri = format!("/x?{}", install.to_query()).parse().unwrap();
        let arrived = axum::extract::Query::<Install>::try_from_uri(&uri).unwrap().0;
        assert_eq!((arrived.tenant, arrived.name), (install.tenant, install.name));
    }
}
