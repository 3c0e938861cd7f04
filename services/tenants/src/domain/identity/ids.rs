//! Ids that only this service makes.

use kit::ProviderId;
use kit::ids::Uuid;

kit::id!(SessionId, "session", "Somewhere a user is signed in.");
kit::id!(ApiKeyId, "key", "A key by which a program acts.");
kit::id!(InvitationId, "invite", "A link by which a user sets a password.");

/// The reserved provider that the platform's own operators and keys live in.
pub const PLATFORM: ProviderId = ProviderId(Uuid::nil());
