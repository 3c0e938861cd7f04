//! The machinery of secrets: hashing passwords, sealing keys at rest, deriving
//! and comparing token secrets, signing access tokens, and talking to external
//! issuers.
//!
//! Must not know: SQL, tonic. Which secret means what is decided in `domain`;
//! where it is kept, in `store`.

pub mod issuer;
pub mod passwords;
pub mod signer;
pub mod vault;

pub use issuer::Issuers;
pub use kit::master::{MasterKey, MasterKeys};
pub use passwords::Passwords;
pub use signer::Signer;
pub use vault::Vault;
