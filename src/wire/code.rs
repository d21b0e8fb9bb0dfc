//! JSON-RPC error codes.
//!
//! -32020 to -32099 belong to the specification; Conflux invents none there.

use rmcp::model::ErrorCode;

/// The text is not JSON.
pub const PARSE_ERROR: i32 = ErrorCode::PARSE_ERROR.0;
/// JSON, but no request.
pub const INVALID_REQUEST: i32 = ErrorCode::INVALID_REQUEST.0;
/// No such method.
pub const METHOD_NOT_FOUND: i32 = ErrorCode::METHOD_NOT_FOUND.0;
/// The parameters are wrong; since 2026-07-28 also "no such resource".
pub const INVALID_PARAMS: i32 = ErrorCode::INVALID_PARAMS.0;
/// Something failed that the caller cannot mend.
pub const INTERNAL_ERROR: i32 = ErrorCode::INTERNAL_ERROR.0;
/// No such resource, until 2025-11-25.
pub const RESOURCE_NOT_FOUND: i32 = ErrorCode::RESOURCE_NOT_FOUND.0;
/// The token of the request is not good for this; of those that mean what their sender says.
pub const INSUFFICIENT_SCOPE: i32 = -32003;
/// An address must be visited first; 2025-11-25 alone has it.
pub const URL_ELICITATION_REQUIRED: i32 = -32042;
/// A modern request lacks, or contradicts, a header.
pub const HEADER_MISMATCH: i32 = ErrorCode::HEADER_MISMATCH.0;
/// The request needs a capability its client did not declare.
pub const MISSING_CLIENT_CAPABILITY: i32 = ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY.0;
/// The revision asked for is not spoken here.
pub const UNSUPPORTED_VERSION: i32 = ErrorCode::UNSUPPORTED_PROTOCOL_VERSION.0;
