//! Tools: what a skill's functions take, return and refuse with.
//!
//! `#[tool]` turns a function into a [`Tool`]; [`skill!`](crate::skill) collects tools into a component.
//! Invariant: whatever a function returns reaches the host as content, structured JSON, questions or a
//! [`Failure`]; only a panic is a trap.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::skill::exports::openclaw::gateway::tools as wit;
use crate::schema;

pub use wit::{Answer, Content, Context, Document, DocumentBody, Failure, FailureCode, Media};

/// A function as the component exports it. Implemented by `#[tool]`, used by `skill!`.
#[doc(hidden)]
pub trait Tool {
    /// What it is called by.
    const NAME: &'static str;
    /// What `list-tools` says of it.
    fn declare() -> wit::Tool;
    /// Reads the arguments, runs the function and wraps what it returns.
    fn call(arguments: &str, context: &Context) -> Result<wit::Output, Failure>;
}

/// Exports functions with `#[tool]` as the tools of one skill: `skill!(first, second);`, once a crate.
#[macro_export]
macro_rules! skill {
    ($($tool:ty),+ $(,)?) => {
        const _: () = {
            use $crate::bindings::skill::exports::openclaw::gateway::tools as wit;

            struct Component;

            impl wit::Guest for Component {
                fn list_tools() -> ::std::vec::Vec<wit::Tool> {
                    $crate::report_panics();
                    ::std::vec![$(<$tool as $crate::tools::Tool>::declare()),+]
                }

                fn call_tool(
                    name: ::std::string::String,
                    arguments: ::std::string::String,
                    context: wit::Context,
                ) -> ::std::result::Result<wit::Output, wit::Failure> {
                    $crate::report_panics();
                    $(
                        if name == <$tool as $crate::tools::Tool>::NAME {
                            return <$tool as $crate::tools::Tool>::call(&arguments, &context);
                        }
                    )+
                    ::std::result::Result::Err(wit::Failure::not_found(::std::format!("there is no tool `{name}`")))
                }
            }

            $crate::bindings::skill::export!(Component with_types_in $crate::bindings::skill);
        };
    };
}

/// Reads a tool's arguments. The message of a failure begins with the path of what is wrong.
#[doc(hidden)]
pub fn read_arguments<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    read(json).map_err(Failure::invalid_arguments)
}

/// The input schema for `T`.
#[doc(hidden)]
pub fn arguments_schema<T: JsonSchema>() -> String {
    schema::of_arguments::<T>()
}

/// The input schema of a tool without arguments.
#[doc(hidden)]
pub fn no_arguments_schema() -> String {
    schema::NO_ARGUMENTS.to_owned()
}

/// Reads JSON; the error says where it is wrong and why.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        // `.` is how serde_path_to_error names the whole document.
        if path == "." { error.into_inner().to_string() } else { format!("`{path}`: {}", error.into_inner()) }
    })
}

impl Failure {
    fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: false }
    }

    /// The arguments pass the schema and are wrong all the same: say which one, why, and what would do.
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        Self::new(FailureCode::InvalidArguments, message)
    }

    /// What was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureCode::NotFound, message)
    }

    /// A capability or the other side refused.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Denied, message)
    }

    /// Something the tool needs is not there now; the same call may succeed later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new(FailureCode::Unavailable, message) }
    }

    /// Somebody asks too often; the same call may succeed later.
    pub fn rate_limited(message: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new(FailureCode::RateLimited, message) }
    }

    /// Anything else.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Failed, message)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::failed(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::failed(message)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl Default for Context {
    /// A call by the tenant `default` from the command line with 30 s left: for unit tests.
    fn default() -> Self {
        Self {
            tenant: "default".to_owned(),
            caller: "cli".to_owned(),
            invocation_id: "inv_0".to_owned(),
            trace_id: "0123456789abcdef0123456789abcdef".to_owned(),
            deadline_ms: 30_000,
            resumed: None,
        }
    }
}

impl Context {
    /// What this call's [`InputRequired`] kept, when it is made again with answers.
    pub fn state(&self) -> Option<&[u8]> {
        self.resumed.as_ref().map(|resumed| resumed.state.as_slice())
    }

    /// The answer to the question `id`; `None` if it was not asked or not answered.
    ///
    /// # Errors
    /// `invalid-arguments` if the answer is not a `T`.
    pub fn answer<T: DeserializeOwned>(&self, id: &str) -> Result<Option<T>, Failure> {
        let answers = self.resumed.iter().flat_map(|resumed| &resumed.answers);
        let Some(answer) = answers.into_iter().find(|answer| answer.id == id) else { return Ok(None) };
        read(&answer.value).map(Some).map_err(|why| Failure::invalid_arguments(format!("the answer `{id}`: {why}")))
    }
}

/// A finished result, piece by piece.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    content: Vec<Content>,
    structured: Option<String>,
}

impl Output {
    /// A result with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds text; Markdown is allowed.
    pub fn with_text(self, text: impl Into<String>) -> Self {
        self.with(Content::Text(text.into()))
    }

    /// Adds an image; `mime_type` as in `image/png`, the bytes themselves and not base64.
    pub fn with_image(self, mime_type: impl Into<String>, data: Vec<u8>) -> Self {
        self.with(Content::Image(Media { mime_type: mime_type.into(), data }))
    }

    /// Adds a sound; `mime_type` as in `audio/wav`.
    pub fn with_audio(self, mime_type: impl Into<String>, data: Vec<u8>) -> Self {
        self.with(Content::Audio(Media { mime_type: mime_type.into(), data }))
    }

    /// Adds a document, in place or by name.
    pub fn with_resource(self, document: Document) -> Self {
        self.with(Content::Resource(document))
    }

    /// Sets the result for programs.
    ///
    /// # Errors
    /// `failed` if the value has no JSON form, for example a map whose keys are not strings.
    pub fn with_structured(mut self, value: &impl Serialize) -> Result<Self, Failure> {
        self.structured = Some(serde_json::to_string(value)?);
        Ok(self)
    }

    fn with(mut self, piece: Content) -> Self {
        self.content.push(piece);
        self
    }
}

/// A result for programs. People see the same JSON as text.
#[derive(Clone, Debug, PartialEq)]
pub struct Json<T>(pub T);

/// A result with two faces: text for people, the same as a value for programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Report<T> {
    /// What people see; Markdown is allowed.
    pub text: String,
    /// What programs read.
    pub value: T,
}

/// Questions the tool needs answered before it can go on. The call is made again with the answers,
/// in a fresh instance: see [`Context::state`] and [`Context::answer`].
#[derive(Clone, Debug, PartialEq)]
pub struct InputRequired {
    requests: Vec<wit::InputRequest>,
    state: Vec<u8>,
}

impl InputRequired {
    /// No question yet. `state` comes back with the answers, unseen by anyone else; at most 64 KiB.
    pub fn new(state: impl Into<Vec<u8>>) -> Self {
        Self { requests: Vec::new(), state: state.into() }
    }

    /// Asks one question whose answer is a `T`; at most 16 a call.
    pub fn ask<T: JsonSchema>(mut self, id: impl Into<String>, message: impl Into<String>) -> Self {
        let schema = schema::of_answer::<T>();
        self.requests.push(wit::InputRequest { id: id.into(), message: message.into(), schema });
        self
    }
}

/// What a tool returns that sometimes asks first.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The tool is done.
    Done(Output),
    /// The tool needs answers first.
    Ask(InputRequired),
}

/// What a tool may return: text, [`Json`], [`Report`], [`Output`], [`InputRequired`], [`Reply`], `()`,
/// or a `Result` of one of them.
pub trait IntoOutput: Sized {
    /// JSON Schema of the structured result as JSON text, if it is always an object of one shape.
    fn output_schema() -> Option<String> {
        None
    }

    /// The result as it crosses to the host.
    ///
    /// # Errors
    /// What the tool refused with, or `failed` when its value has no JSON form.
    fn into_output(self) -> Result<wit::Output, Failure>;
}

impl IntoOutput for Output {
    fn into_output(self) -> Result<wit::Output, Failure> {
        Ok(wit::Output::Complete(wit::ToolResult { content: self.content, structured: self.structured }))
    }
}

impl IntoOutput for InputRequired {
    fn into_output(self) -> Result<wit::Output, Failure> {
        Ok(wit::Output::InputRequired(wit::InputNeeded { requests: self.requests, state: self.state }))
    }
}

impl IntoOutput for Reply {
    fn into_output(self) -> Result<wit::Output, Failure> {
        match self {
            Self::Done(output) => output.into_output(),
            Self::Ask(questions) => questions.into_output(),
        }
    }
}

impl IntoOutput for () {
    fn into_output(self) -> Result<wit::Output, Failure> {
        Output::new().into_output()
    }
}

impl IntoOutput for String {
    fn into_output(self) -> Result<wit::Output, Failure> {
        Output::new().with_text(self).into_output()
    }
}

impl IntoOutput for &str {
    fn into_output(self) -> Result<wit::Output, Failure> {
        self.to_owned().into_output()
    }
}

impl<T: Serialize + JsonSchema> IntoOutput for Json<T> {
    fn output_schema() -> Option<String> {
        schema::of_result::<T>()
    }

    fn into_output(self) -> Result<wit::Output, Failure> {
        let json = serde_json::to_string(&self.0)?;
        Output { content: vec![Content::Text(json.clone())], structured: Some(json) }.into_output()
    }
}

impl<T: Serialize + JsonSchema> IntoOutput for Report<T> {
    fn output_schema() -> Option<String> {
        schema::of_result::<T>()
    }

    fn into_output(self) -> Result<wit::Output, Failure> {
        Output::new().with_text(self.text).with_structured(&self.value)?.into_output()
    }
}

impl<T: IntoOutput, E: Into<Failure>> IntoOutput for Result<T, E> {
    fn output_schema() -> Option<String> {
        T::output_schema()
    }

    fn into_output(self) -> Result<wit::Output, Failure> {
        self.map_err(Into::into)?.into_output()
    }
}
