//! Keyset pages. A page token holds the key of the last row, signed and bound
//! to the RPC, the caller's tenant and the filter: another caller, another
//! filter or a forged token is refused, and a token grants nothing by itself.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::fault::Fault;

const SIGNATURE: usize = 16;

/// Makes and reads page tokens.
#[derive(Clone)]
pub struct Pager {
    key: hmac::Key,
}

/// What a list call asked for.
pub struct Page<K> {
    /// Rows wanted, 1 to 200.
    pub size: i64,
    /// The key after which to go on.
    pub after: Option<K>,
    binding: Vec<u8>,
}

impl Pager {
    /// Tokens signed with a secret that all replicas of a service share.
    pub fn new(secret: &[u8]) -> Pager {
        Pager { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// Reads `page_size` and `page_token`. `filter` is whatever else shapes the list.
    pub fn read<K: DeserializeOwned>(
        &self,
        caller: &Caller,
        rpc: &str,
        filter: &impl Serialize,
        page_size: i32,
        page_token: &str,
    ) -> Result<Page<K>, Fault> {
        let size = match page_size {
            0 => 50,
            n if n < 0 => return Err(Fault::invalid("page_size", "must not be negative")),
            n => i64::from(n.min(200)),
        };
        let binding = serde_json::to_vec(&(rpc, caller.provider().0, caller.subject(), filter))
            .map_err(|e| Fault::Internal(Box::new(e)))?;
        let after = if page_token.is_empty() { None } else { Some(self.open(&binding, page_token)?) };
        Ok(Page { size, after, binding })
    }

    fn open<K: DeserializeOwned>(&self, binding: &[u8], token: &str) -> Result<K, Fault> {
        let foreign = || Fault::invalid("page_token", "must be the next_page_token of the same list");
        if token.len() > 1024 {
            return Err(foreign());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
        let (signature, key) = bytes.split_at_checked(SIGNATURE).ok_or_else(foreign)?;
        let expected = self.sign(binding, key);
        aws_lc_rs::constant_time::verify_slices_are_equal(signature, &expected).map_err(|_| foreign())?;
        serde_json::from_slice(key).map_err(|_| foreign())
    }

    fn sign(&self, binding: &[u8], key: &[u8]) -> [u8; SIGNATURE] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(binding.len() as u64).to_be_bytes());
        context.update(binding);
        context.update(key);
        let mut short = [0u8; SIGNATURE];
        short.copy_from_slice(&context.sign().as_ref()[..SIGNATURE]);
        short
    }

    /// Cuts `size + 1` fetched rows to a page and makes the token of the next one.
    pub fn cut<T, K: Serialize>(
        &self,
        page: &Page<impl Sized>,
        rows: &mut Vec<T>,
        key_of: impl Fn(&T) -> K,
    ) -> Result<String, Fault> {
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return Ok(String::new());
        }
        rows.truncate(size);
        let Some(last) = rows.last() else { return Ok(String::new()) };
        let key = serde_json::to_vec(&key_of(last)).map_err(|e| Fault::Internal(Box::new(e)))?;
        let mut token = self.sign(&page.binding, &key).to_vec();
        token.extend_from_slice(&key);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }
}
