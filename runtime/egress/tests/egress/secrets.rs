//! A secret goes to the server it is for, and to nobody else, not even back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use openclaw_domain::ports::{SecretValue, Secrets};
use openclaw_domain::{EgressError, HeaderPart, Outgoing, Refusal, Secret, SecretHeader, SecretName, TenantId};
use openclaw_egress::{Egress, EgressSettings, Strict};

use crate::network::{LeadsTo, TOKEN, failure, fetch, get, get_private, opened, strict_to};
use crate::server::Server;
use crate::tls::{Authority, tls_server};

fn secret(name: &str) -> HeaderPart {
    HeaderPart::Secret(name.parse().unwrap())
}

fn bearer(name: &str) -> SecretHeader {
    SecretHeader {
        name: HeaderName::from_static("authorization"),
        parts: vec![HeaderPart::Text("Bearer ".to_owned()), secret(name)],
    }
}

fn basic() -> SecretHeader {
    let inner = vec![HeaderPart::Text("user:".to_owned()), secret("token")];
    SecretHeader {
        name: HeaderName::from_static("authorization"),
        parts: vec![HeaderPart::Text("Basic ".to_owned()), HeaderPart::Base64(inner)],
    }
}

fn to(server: &Server, header: SecretHeader) -> Outgoing {
    Outgoing { secret_headers: vec![header], ..get_private(&server.url("/")) }
}

#[tokio::test]
async fn a_secret_is_sent_where_it_belongs_and_nothing_may_be_compressed() {
    let mut server = Server::ok().await;
    let (egress, _) = strict_to(&EgressSettings::default(), server.address);
    let mut request = to(&server, bearer("token"));
    request.headers.insert("accept-encoding", HeaderValue::from_static("gzip"));
    assert_eq!(fetch(&egress, request).await.unwrap().0, 200);
    let text = server.next().await;
    assert!(text.contains(&format!("\r\nauthorization: Bearer {TOKEN}\r\n")), "{text}");
    assert!(text.contains("\r\naccept-encoding: identity\r\n") && !text.contains("gzip"), "{text}");
    assert_eq!(fetch(&egress, to(&server, basic())).await.unwrap().0, 200);
    let encoded = STANDARD.encode(format!("user:{TOKEN}"));
    assert!(server.next().await.contains(&format!("\r\nauthorization: Basic {encoded}\r\n")));
}

#[tokio::test]
async fn an_echoed_secret_is_taken_out_of_headers_and_body_wherever_it_is_cut() {
    let encoded = STANDARD.encode(format!("user:{TOKEN}"));
    for (header, echo) in [(bearer("token"), TOKEN.to_owned()), (basic(), TOKEN.to_owned()), (basic(), encoded)] {
        for cut in 0..=echo.len() {
            let (first, second) = echo.split_at(cut);
            let chunk = |text: &str| match text {
                "" => String::new(),
                text => format!("{:x}\r\n{text}\r\n", text.len()),
            };
            let response = format!(
                "HTTP/1.1 200 OK\r\nx-echo: a {echo} b\r\nlocation: /?t={echo}\r\ntransfer-encoding: chunked\r\n\r\n{}{}{}0\r\n\r\n",
                chunk("before "),
                chunk(first),
                chunk(&format!("{second} after")),
            );
            let server = Server::answering(response).await;
            let (egress, _) = strict_to(&EgressSettings::default(), server.address);
            let (_, headers, body) = fetch(&egress, to(&server, header.clone())).await.unwrap();
            assert_eq!(String::from_utf8(body).unwrap(), "before [secret] after", "{cut}");
            assert_eq!(headers["x-echo"], "a [secret] b");
            assert_eq!(headers["location"], "/?t=[secret]");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_searched_is_not_handed_on() {
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{TOKEN}", TOKEN.len());
    let server = Server::answering(response).await;
    let (egress, _) = strict_to(&EgressSettings::default(), server.address);
    let (_, headers, body) = fetch(&egress, to(&server, bearer("token"))).await.unwrap();
    assert_eq!(body, b"[secret]");
    assert!(!headers.contains_key("content-length"));
    let compressed =
        Server::answering("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok").await;
    let (egress, _) = strict_to(&EgressSettings::default(), compressed.address);
    let error = failure(fetch(&egress, to(&compressed, bearer("token"))).await);
    assert!(matches!(error, EgressError::Protocol(_)), "{error}");
    assert_eq!(fetch(&egress, get_private(&compressed.url("/"))).await.unwrap().0, 200);
    let mut request = to(&compressed, bearer("token"));
    request.headers.insert("range", HeaderValue::from_static("bytes=0-3"));
    let error = failure(fetch(&egress, request).await);
    assert!(matches!(&error, EgressError::BadRequest { part, .. } if part == "header range"), "{error}");
}

#[tokio::test]
async fn a_secret_that_is_missing_or_would_break_the_head_is_named_and_not_shown() {
    let mut server = Server::ok().await;
    let (egress, _) = strict_to(&EgressSettings::default(), server.address);
    let error = failure(fetch(&egress, to(&server, bearer("other"))).await);
    assert_eq!(error, EgressError::SecretMissing { tenant: TenantId::default(), name: "other".parse().unwrap() });
    let error = failure(fetch(&egress, to(&server, bearer("broken"))).await);
    assert!(matches!(&error, EgressError::BadRequest { part, .. } if part == "header authorization"), "{error}");
    assert!(error.to_string().contains("`broken`") && !format!("{error} {error:?}").contains("s3cr3t"), "{error}");
    for name in ["host", "proxy-authorization", "content-length", "connection"] {
        let header = SecretHeader { name: HeaderName::from_static(name), ..bearer("token") };
        let error = failure(fetch(&egress, to(&server, header)).await);
        assert!(matches!(&error, EgressError::BadRequest { part, .. } if *part == format!("header {name}")), "{error}");
    }
    let mut request = to(&server, bearer("token"));
    request.headers.insert("authorization", HeaderValue::from_static("mine"));
    assert!(matches!(failure(fetch(&egress, request).await), EgressError::BadRequest { .. }));
    assert!(server.is_untouched());
}

#[tokio::test]
async fn no_secret_goes_over_plain_http_to_others() {
    let mut server = Server::ok().await;
    let egress = opened(&EgressSettings::default(), server.address);
    for request in [get("http://93.184.216.34/"), get_private("http://93.184.216.34/"), get("http://127.0.0.1/")] {
        let error = failure(fetch(&egress, Outgoing { secret_headers: vec![bearer("token")], ..request }).await);
        assert!(error.to_string().contains("use `https`"), "{error}");
    }
    assert!(server.is_untouched());
    let authority = Authority::new();
    let (address, mut seen, _tasks) = tls_server(authority.acceptor("93.184.216.34")).await;
    let egress = opened(&authority.settings(EgressSettings::default()), address);
    let request = Outgoing { secret_headers: vec![bearer("token")], ..get("https://93.184.216.34/") };
    assert_eq!(fetch(&egress, request).await.unwrap().0, 200);
    assert!(seen.recv().await.unwrap().2.contains(TOKEN));
}

/// Counts how often it is asked.
struct Counting(AtomicUsize);

#[async_trait]
impl Secrets for Counting {
    async fn value(&self, _: &TenantId, _: &SecretName) -> Result<Option<SecretValue>, Refusal> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Some(Secret::new(Arc::from(TOKEN.as_bytes()))))
    }

    async fn exists(&self, _: &TenantId, _: &SecretName) -> Result<bool, Refusal> {
        Ok(true)
    }

    async fn hmac_sha256(&self, _: &TenantId, _: &SecretName, _: Bytes) -> Result<Option<[u8; 32]>, Refusal> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_secret_is_asked_for_last_and_once() {
    let server = Server::ok().await;
    let secrets = Arc::new(Counting(AtomicUsize::new(0)));
    let settings = EgressSettings::default();
    let egress =
        Egress::with_network(&settings, secrets.clone(), Arc::new(Strict), LeadsTo::new(server.address)).unwrap();
    let two =
        vec![bearer("token"), SecretHeader { name: HeaderName::from_static("x-key"), parts: vec![secret("token")] }];
    let with = |request| Outgoing { secret_headers: two.clone(), ..request };
    failure(fetch(&egress, with(get("http://127.0.0.1/"))).await);
    failure(fetch(&egress, with(get("http://93.184.216.34/"))).await);
    let (address, _seen, _tasks) = tls_server(Authority::new().acceptor("93.184.216.34")).await;
    let untrusting = Egress::with_network(&settings, secrets.clone(), Arc::new(Strict), LeadsTo::new(address)).unwrap();
    let error = failure(fetch(&untrusting, with(get("https://93.184.216.34/"))).await);
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
    assert_eq!(secrets.0.load(Ordering::SeqCst), 0);
    assert_eq!(fetch(&egress, with(get_private("http://127.0.0.1/"))).await.unwrap().0, 200);
    assert_eq!(secrets.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_a_secret() {
    let server = Server::ok().await;
    let (egress, _) = strict_to(&EgressSettings::default(), server.address);
    let header = basic();
    fetch(&egress, to(&server, header.clone())).await.unwrap();
    let text = format!("{egress:?} {header:?} {:?}", bearer("token"));
    assert!(!text.contains(TOKEN) && text.contains("token"), "{text}");
}
