//! On the machine a skill is written on there is no gateway, so nothing is sent.

use super::url::Parts;
use super::{Error, Request, Response};

pub(super) fn send(request: &Request, _url: &Parts<'_>) -> Result<Response, Error> {
    Err(Error::Unavailable(format!("`{}` was not sent: there is no gateway here", request.described())))
}
