//! What goes over the wire is of our making, and what comes back is end to end.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use openclaw_domain::{EgressError, Outgoing, OutgoingBody};
use openclaw_egress::EgressSettings;

use crate::network::{failure, fetch, get, opened};
use crate::server::Server;

const URL: &str = "http://93.184.216.34/path?q=1";

fn with_header(name: &str, value: &str) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers
        .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    Outgoing { headers, ..get(URL) }
}

fn streamed(method: Method, chunks: &[&'static str], declared: Option<&str>) -> Outgoing {
    let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
    let request = match declared {
        Some(declared) => with_header("content-length", declared),
        None => get(URL),
    };
    Outgoing { method, body: OutgoingBody::Stream(Box::pin(stream::iter(chunks))), ..request }
}

async fn sent(request: Outgoing) -> (Result<u16, EgressError>, Option<String>) {
    let mut server = Server::ok().await;
    let egress = opened(&EgressSettings::default(), server.address);
    let result = fetch(&egress, request).await.map(|(status, _, _)| status);
    let text = if result.is_ok() { Some(server.next().await) } else { None };
    (result, text)
}

async fn text_of(request: Outgoing) -> String {
    let (result, text) = sent(request).await;
    assert_eq!(result.unwrap(), 200);
    text.unwrap()
}

async fn answered(response: &str) -> Result<(u16, HeaderMap, Vec<u8>), EgressError> {
    answered_to(Method::GET, response).await
}

async fn answered_to(method: Method, response: &str) -> Result<(u16, HeaderMap, Vec<u8>), EgressError> {
    let server = Server::answering(response).await;
    let egress = opened(&EgressSettings::default(), server.address);
    fetch(&egress, Outgoing { method, ..get(URL) }).await
}

#[tokio::test]
async fn the_head_is_written_from_what_is_dialled() {
    let text = text_of(with_header("x-own", "1")).await;
    assert!(text.starts_with("GET /path?q=1 HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("\r\nhost: 93.184.216.34\r\n"), "{text}");
    assert!(text.contains("\r\nx-own: 1\r\n"), "{text}");
    assert!(text.contains("\r\nuser-agent: openclaw/"), "{text}");
    assert!(!text.contains("content-length") && !text.contains("transfer-encoding"), "{text}");
    let text = text_of(with_header("user-agent", "mine")).await;
    assert!(text.contains("\r\nuser-agent: mine\r\n") && !text.contains("openclaw"), "{text}");
}

#[tokio::test]
async fn a_body_is_framed_by_its_own_length() {
    let full = |method, body: &'static str| Outgoing { method, body: OutgoingBody::Full(body.into()), ..get(URL) };
    assert!(text_of(full(Method::POST, "hello")).await.contains("\r\ncontent-length: 5\r\n"));
    let text = text_of(Outgoing { method: Method::POST, ..get(URL) }).await;
    assert!(text.contains("\r\ncontent-length: 0\r\n"), "{text}");
    let text = text_of(streamed(Method::POST, &["hel", "", "lo"], None)).await;
    assert!(text.contains("\r\ntransfer-encoding: chunked\r\n"), "{text}");
    assert!(text.ends_with("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), "{text}");
    let text = text_of(streamed(Method::POST, &["hel", "lo"], Some("5"))).await;
    assert!(text.contains("\r\ncontent-length: 5\r\n") && text.ends_with("\r\n\r\nhello"), "{text}");
    let text = text_of(streamed(Method::GET, &[""], None)).await;
    assert!(!text.contains("transfer-encoding"), "{text}");
    let text = text_of(streamed(Method::GET, &["", "q"], None)).await;
    assert!(text.contains("\r\ntransfer-encoding: chunked\r\n") && text.ends_with("1\r\nq\r\n0\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_false_content_length_of_ours_never_completes_a_request() {
    let mut requests = vec![
        (streamed(Method::POST, &["hello"], Some("4")), "more than the 4 bytes"),
        (streamed(Method::POST, &["hell", "o"], Some("4")), "more than the 4 bytes"),
        (streamed(Method::POST, &["hello"], Some("6")), "ended after 5 of the 6"),
        (with_header("content-length", "1"), "says 1, the body has 0 bytes"),
    ];
    let full = Outgoing { body: OutgoingBody::Full("hello".into()), ..with_header("content-length", "4") };
    requests.push((full, "says 4, the body has 5 bytes"));
    for text in ["+5", "0x5", "5, 5", "-1", "99999999999999999999999", ""] {
        requests.push((with_header("content-length", text), "is not one number"));
    }
    let mut twice = with_header("content-length", "0");
    twice.headers.append("content-length", HeaderValue::from_static("0"));
    requests.push((twice, "is not one number"));
    for (request, reason) in requests {
        let (result, _) = sent(request).await;
        let error = failure(result);
        assert!(matches!(error, EgressError::BadRequest { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn headers_of_the_connection_are_refused_by_name() {
    for name in [
        "host",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    ] {
        let error = failure(sent(with_header(name, "x")).await.0);
        assert!(matches!(&error, EgressError::BadRequest { part, .. } if *part == format!("header {name}")), "{error}");
    }
    for value in ["caf\u{e9}", "\u{7f}"] {
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
        let request = Outgoing { headers: HeaderMap::from_iter([(HeaderName::from_static("x-a"), value)]), ..get(URL) };
        assert!(matches!(failure(sent(request).await.0), EgressError::BadRequest { .. }));
    }
    assert!(HeaderValue::from_bytes(b"a\r\nb: c").is_err() && HeaderValue::from_bytes(b"a\0").is_err());
}

#[tokio::test]
async fn a_path_that_could_begin_another_line_is_refused() {
    for path in
        ["", "x", "http://other.example/", "/a b", "/a\r\nx: y", "/a\0", "/a\tb", "/a#b", "/\u{e9}", "/a\x7f", "*"]
    {
        let error = failure(sent(Outgoing { path_and_query: path.to_owned(), ..get(URL) }).await.0);
        assert!(matches!(&error, EgressError::BadRequest { part, .. } if part == "url"), "{path:?}: {error}");
    }
    for method in [Method::CONNECT, Method::TRACE] {
        let error = failure(sent(Outgoing { method, ..get(URL) }).await.0);
        assert!(matches!(&error, EgressError::BadRequest { part, .. } if part == "method"), "{error}");
    }
    // Two slashes are a path, not another host.
    assert!(
        text_of(get("http://93.184.216.34//other.example/")).await.starts_with("GET //other.example/ HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn a_response_loses_what_belongs_to_the_connection() {
    let response = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\
        keep-alive: 1\r\nproxy-authenticate: x\r\ntrailer: x-late\r\ntransfer-encoding: chunked\r\nx-end: 2\r\n\r\n\
        2\r\nok\r\n0\r\nx-late: 1\r\n\r\n";
    let (status, headers, body) = answered(response).await.unwrap();
    assert_eq!((status, body.as_slice()), (200, &b"ok"[..]));
    let names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-end"]);
    let (_, headers, body) =
        answered_to(Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await.unwrap();
    assert_eq!((headers["content-length"].as_bytes(), body.len()), (&b"99999999999"[..], 0));
}

#[tokio::test]
async fn a_response_that_breaks_http_is_no_response() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        "ok",
        "",
    ] {
        let error = failure(answered(response).await);
        assert!(matches!(error, EgressError::Protocol(_)), "{response:?}: {error}");
    }
    // More bytes than said are not part of the response.
    let (_, _, body) =
        answered("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    assert_eq!(body, b"ok");
}
