//! `http`: the standard `wasi:http` with a way of sending of our own.
//!
//! Fields, bodies and streams are wasmtime's; what is sent goes to the one way out, with the grant's rules.
//! Invariant: nothing is sent that no rule allows; a secret is a name here, and goes only where its use is granted; all
//! bytes of a call are counted outside its store.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, StreamBody};
use openclaw_domain::{
    Capability, Denial, EgressError, EgressLimits, HttpRule, NamePolicy, Origin, Outgoing, Powers, SecretHeader,
    SecretPurpose, SecretUse,
};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http as bindings;
use wasmtime_wasi_http::p2::bindings::http::types::Method as Named;
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks};

use super::http_body::{Received, Upload};
use super::{http_error, placeholders};
use crate::reach::{Allowed, Denied, Place, Reach};
use crate::state::HostState;

/// Bytes of one set of headers as it lies in memory.
const FIELDS_BYTES: usize = 32 << 10;
/// Secrets one request may carry.
const MAX_SECRETS: usize = 8;
/// Bytes of a path that a grant can be proposed for.
const PATH_BYTES: usize = 1024;
/// Bytes of a method.
const METHOD_BYTES: usize = 64;
/// Bytes of host and port: the longest name there is (RFC 1035), in brackets and with a port.
const AUTHORITY_BYTES: usize = 512;
/// Bytes of path and query: what is longer is not sent either.
const PATH_AND_QUERY_BYTES: usize = 16 << 10;
/// How much a guest may write into a request's body at once.
const CHUNK: usize = 64 << 10;

/// The HTTP side of one store.
pub(crate) struct Http {
    ctx: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks {
    reach: Arc<Reach>,
}

impl Http {
    pub(crate) fn new(reach: Arc<Reach>) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(FIELDS_BYTES);
        Self { ctx, hooks: Hooks { reach } }
    }
}

const LINKED: &str = "`http` is linked only for components that import it, and their stores hold it";

impl HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.count();
        let http = self.http.as_mut().expect(LINKED);
        WasiHttpCtxView { hooks: &mut http.hooks, table: &mut self.table, ctx: &mut http.ctx }
    }
}

/// Links one interface of `wasi:http`; `false` if this host does not offer it.
pub(crate) fn link(linker: &mut Linker<HostState>, interface: &str) -> wasmtime::Result<bool> {
    match interface {
        "wasi:http/types" => {
            let options = wasmtime_wasi_http::p2::bindings::LinkOptions::default();
            bindings::types::add_to_linker::<HostState, WasiHttp>(linker, &options.into(), HostState::http)?;
            bound_texts(linker)?;
        }
        "wasi:http/outgoing-handler" => {
            bindings::outgoing_handler::add_to_linker::<HostState, WasiHttp>(linker, HostState::http)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Bounds the texts of a request, each of which wasmtime keeps outside the guest's memory for as long as a handle lives:
/// hundreds of them, of a megabyte each, would be as many megabytes that no limit of the call counts.
fn bound_texts(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    type Set = (Result<(), ()>,);
    linker.allow_shadowing(true);
    let mut types = linker.instance("wasi:http/types@0.2.12")?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, HostState>, (request, method): (Resource<HostOutgoingRequest>, Named)| {
            if matches!(&method, Named::Other(other) if other.len() > METHOD_BYTES) {
                return Ok::<Set, _>((Err(()),));
            }
            Ok((bindings::types::HostOutgoingRequest::set_method(&mut store.data_mut().http(), request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<'_, HostState>,
         (request, text): (Resource<HostOutgoingRequest>, Option<String>)| {
            if text.as_ref().is_some_and(|text| text.len() > AUTHORITY_BYTES) {
                return Ok::<Set, _>((Err(()),));
            }
            Ok((bindings::types::HostOutgoingRequest::set_authority(&mut store.data_mut().http(), request, text)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: StoreContextMut<'_, HostState>,
         (request, text): (Resource<HostOutgoingRequest>, Option<String>)| {
            if text.as_ref().is_some_and(|text| text.len() > PATH_AND_QUERY_BYTES) {
                return Ok::<Set, _>((Err(()),));
            }
            let mut http = store.data_mut().http();
            Ok((bindings::types::HostOutgoingRequest::set_path_with_query(&mut http, request, text)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let reach = Arc::clone(&self.reach);
        let place = reach.line_up();
        Box::new(async move {
            let options = options.unwrap_or_default();
            let wanted = Wanted::of(&reach, request)?;
            // Guests that compute run on threads that do no I/O: the request is sent where I/O is done. It ends with the
            // store, whose table holds the handle of this very future.
            let sending = Arc::clone(&reach);
            let response = match reach.aside(async move { wanted.send(&sending, place, options).await }).await {
                Ok(response) => response?,
                Err(broken) => {
                    tracing::error!(%broken, "a request of a guest ended in the gateway");
                    return Err(Error::InternalError(None));
                }
            };
            Ok((response, Box::new(async { Ok(()) }) as Box<dyn Future<Output = Result<(), Error>> + Send>))
        })
    }
}

/// A request that the grant allows.
struct Wanted {
    method: Method,
    origin: Origin,
    path_and_query: String,
    headers: HeaderMap,
    secrets: Vec<SecretHeader>,
    rules: Arc<[HttpRule]>,
    body: Upload,
}

impl Wanted {
    fn of(reach: &Arc<Reach>, request: http::Request<WasiBody>) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let scheme = parts.uri.scheme_str().unwrap_or_default();
        let authority = parts.uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let origin: Origin = format!("{scheme}://{authority}").parse().map_err(|_| Error::HttpRequestUriInvalid)?;
        let path = match parts.uri.path() {
            "" => "/",
            path => path,
        };
        let path_and_query = match parts.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        allow(reach, &parts.method, &origin, path).map_err(|_| Error::HttpRequestDenied)?;
        let (headers, secrets) = split_headers(reach, &origin, &parts.headers)?;
        let mut rules = reach.granted().http;
        if reach.learning().is_some() {
            rules.insert(HttpRule::exactly(parts.method.as_str(), &origin, path));
        }
        let size = path_and_query.len()
            + headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
        if !reach.spend_egress(size as u64) {
            return Err(Error::HttpRequestBodySize(Some(reach.egress_limit())));
        }
        Ok(Self {
            method: parts.method,
            origin,
            path_and_query,
            headers,
            secrets,
            rules: rules.into_iter().collect(),
            body: Upload::new(reach, body),
        })
    }

    async fn send(
        self,
        reach: &Arc<Reach>,
        place: Place,
        options: RequestOptions,
    ) -> Result<http::Response<WasiBody>, Error> {
        let end = end_of(reach, options);
        let underway = tokio::time::timeout_at(end.into(), place).await;
        let underway = underway.unwrap_or(Err(EgressError::TimedOut)).map_err(http_error::of)?;
        let allow_private = reach.granted().private.contains(&self.origin);
        let mut sent = self.attempt(reach, end, allow_private).await;
        if let Err(EgressError::AddressDenied { host, address, kind }) = &sent
            && !allow_private
        {
            let missing = Powers { private: BTreeSet::from([self.origin.clone()]), ..Powers::default() };
            reach.deny(Denial {
                capability: Capability::Http,
                wanted: format!("{} {}", self.method, self.origin),
                missing,
                reason: Some(format!("`{host}` is at {address}, which is {kind}: that needs a second key")),
            });
            // Nothing was dialled, so the body is still whole.
            if reach.learning().is_some_and(|learning| learning.private.opens(&self.origin, kind)) {
                sent = self.attempt(reach, end, true).await;
            }
        }
        let incoming = sent.map_err(http_error::of)?;
        let size = incoming.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
        if !reach.spend_egress(size as u64) {
            return Err(Error::HttpResponseBodySize(Some(reach.egress_limit())));
        }
        // A body holds its connection until it is read or dropped; a response without one holds none.
        let has_body = self.method != Method::HEAD
            && !matches!(incoming.status.as_u16(), 204 | 304)
            && incoming.headers.get(CONTENT_LENGTH).is_none_or(|length| length != "0");
        let underway = has_body.then_some(underway);
        let body = Received::new(incoming.body, reach, underway).paused_at_most(options.between_bytes_timeout);
        let body = StreamBody::new(body.map(|chunk| chunk.map(http_body::Frame::data))).boxed_unsync();
        let mut response = http::Response::new(body);
        *response.status_mut() = incoming.status;
        *response.headers_mut() = incoming.headers;
        Ok(response)
    }

    async fn attempt(
        &self,
        reach: &Reach,
        end: Instant,
        allow_private: bool,
    ) -> Result<openclaw_domain::Incoming, EgressError> {
        let left = reach.egress_left();
        let defaults = EgressLimits::default();
        let request = Outgoing {
            tenant: reach.serving.tenant.clone(),
            sender: format!("skill {}", reach.serving.name).into(),
            method: self.method.clone(),
            origin: self.origin.clone(),
            path_and_query: self.path_and_query.clone(),
            headers: self.headers.clone(),
            secret_headers: self.secrets.clone(),
            body: self.body.outgoing(),
            names: NamePolicy::Rules(Arc::clone(&self.rules)),
            allow_private,
            limits: EgressLimits {
                request_body_bytes: defaults.request_body_bytes.min(left),
                response_body_bytes: defaults.response_body_bytes.min(left),
                ..defaults
            },
            deadline: reach.deadline,
        };
        let sending = reach.ports.egress.send(request);
        tokio::time::timeout_at(end.into(), sending).await.unwrap_or(Err(EgressError::TimedOut))
    }
}

/// When a response must have begun: what a guest asks for can only be sooner than the call's own end.
fn end_of(reach: &Reach, options: RequestOptions) -> Instant {
    let patience = match (options.connect_timeout, options.first_byte_timeout) {
        (Some(connect), Some(first)) => Some(connect.saturating_add(first)),
        (None, first) => first,
        (Some(_), None) => None,
    };
    let end = patience.and_then(|patience| Instant::now().checked_add(patience));
    end.map_or(reach.deadline, |end| end.min(reach.deadline))
}

/// Whether a URL says itself that it leads to this machine or to the operator's own network, so that the command that
/// allows it needs the second key. Where a name leads is not asked before a rule allows to, and nothing here proposes a
/// cloud's metadata: those are denied by the way out, which knows them all.
fn is_local(origin: &Origin) -> bool {
    if origin.host == "localhost" || origin.host.ends_with(".localhost") {
        return true;
    }
    let literal = origin.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal.map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || (address.is_unique_local() && !address.segments().starts_with(&[0xfd00, 0xec2]))
        }
        Err(_) => false,
    }
}

/// Asks the grant for a request.
fn allow(reach: &Reach, method: &Method, origin: &Origin, path: &str) -> Result<Allowed, Denied> {
    reach.require(
        Capability::Http,
        |powers| powers.http.iter().any(|rule| rule.allows(method.as_str(), origin, path)),
        || format!("{method} {origin}{path}"),
        || {
            let rule = HttpRule::exactly(method.as_str(), origin, path);
            // A path with `*` would be a pattern as a rule, and wider than what was asked for.
            // A method with a `*` in it would read as any method.
            let is_word = method.as_str().bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
            let exact = is_word && path.len() <= PATH_BYTES && rule.allows(method.as_str(), origin, path);
            let http = exact.then_some(rule).into_iter().collect();
            // A run that learns finds the second key where it is needed, in the next step.
            let second_key =
                exact && is_local(origin) && reach.learning().is_none() && !reach.granted().private.contains(origin);
            let private = second_key.then(|| origin.clone()).into_iter().collect();
            Powers { http, private, ..Powers::default() }
        },
    )
}

/// Plain headers, and those that carry secrets.
fn split_headers(reach: &Reach, origin: &Origin, all: &HeaderMap) -> Result<(HeaderMap, Vec<SecretHeader>), Error> {
    let mut headers = HeaderMap::with_capacity(all.len());
    let mut secrets = Vec::new();
    let mut used = 0;
    'headers: for (name, value) in all {
        let Some(parts) = value.to_str().ok().and_then(placeholders::parts) else {
            headers.append(name, value.clone());
            continue;
        };
        let names = placeholders::names(&parts);
        used += names.len();
        if used > MAX_SECRETS {
            return Err(Error::HttpRequestHeaderSize { field_name: Some(name.to_string()), field_size: None });
        }
        for secret in names {
            let wish = SecretUse { name: secret.clone(), purpose: SecretPurpose::SendTo(origin.clone()) };
            let allowed = reach.require(
                Capability::Secrets,
                |powers| powers.secrets.contains(&wish),
                || wish.to_string(),
                || Powers { secrets: BTreeSet::from([wish.clone()]), ..Powers::default() },
            );
            match allowed {
                Ok(Allowed::Granted) => {}
                // A run that finds out what is needed gives nothing away: the header stays here.
                Ok(Allowed::Learned) => continue 'headers,
                Err(Denied(_)) => return Err(Error::HttpRequestDenied),
            }
        }
        secrets.push(SecretHeader { name: name.clone(), parts });
    }
    Ok((headers, secrets))
}
