//! Batches on their way. What may pass is tried again: a second delivery changes nothing.

use std::time::Duration;

use anyhow::anyhow;
use proto::events::v1::ChannelAccount;
use proto::tenants::v1::sellers_service_client::SellersServiceClient;
use proto::tenants::v1::{ListSellersRequest, PutChannelAccountRequest};
use proto::tickets::v1::imports_service_client::ImportsServiceClient;
use proto::tickets::v1::{
    GetImportRequest, ImportEmailsRequest, ImportResult, ImportTicketsRequest, ImportedEmail, ImportedTicket,
};
use tonic::{Code, Status};

use crate::cli::Transport;
use crate::cli::client::{Session, told};

/// How often what may pass is tried again.
const TRIES: u32 = 5;

/// Sends the batches of one import into one seller.
pub struct Sender {
    session: Session,
    seller_id: String,
    account_id: String,
    key: String,
}

impl Sender {
    pub async fn new(mut session: Session, handle: &str, mailbox: Option<&str>, key: &str) -> anyhow::Result<Sender> {
        let mut sellers = SellersServiceClient::new(session.transport().await?);
        let request = ListSellersRequest { handle: handle.to_owned(), ..ListSellersRequest::default() };
        let found = sellers.list_sellers(request).await.map_err(|s| told(&s))?.into_inner().sellers;
        let seller = found.into_iter().next().ok_or_else(|| anyhow!("there is no seller {handle}"))?;
        let mut account_id = String::new();
        if let Some(address) = mailbox {
            let account = ChannelAccount {
                channel: "email".to_owned(),
                address: address.to_owned(),
                active: true,
                ..ChannelAccount::default()
            };
            let request = PutChannelAccountRequest {
                seller_id: seller.seller_id.clone(),
                channel_account: Some(account),
                request_id: String::new(),
            };
            let answer = sellers.put_channel_account(request).await.map_err(|s| told(&s))?.into_inner();
            account_id =
                answer.channel_account.ok_or_else(|| anyhow!("the answer holds no account"))?.channel_account_id;
        }
        Ok(Sender { session, seller_id: seller.seller_id, account_id, key: key.to_owned() })
    }

    /// Whether a mailbox was named.
    pub fn has_mailbox(&self) -> bool {
        !self.account_id.is_empty()
    }

    /// Where an earlier run ended; empty if there was none.
    pub async fn cursor(&mut self) -> anyhow::Result<String> {
        let request = GetImportRequest { seller_id: self.seller_id.clone(), import_key: self.key.clone() };
        match self.client().await?.get_import(request).await {
            Ok(answer) => Ok(answer.into_inner().import.map(|import| import.cursor).unwrap_or_default()),
            Err(status) if status.code() == Code::NotFound => Ok(String::new()),
            Err(status) => Err(told(&status)),
        }
    }

    pub async fn mails(
        &mut self,
        emails: Vec<ImportedEmail>,
        cursor: &str,
        left_out: i64,
    ) -> anyhow::Result<Vec<ImportResult>> {
        let request = ImportEmailsRequest {
            seller_id: self.seller_id.clone(),
            import_key: self.key.clone(),
            cursor: cursor.to_owned(),
            channel_account_id: self.account_id.clone(),
            emails,
            rejected_by_client: left_out,
            // However often it is sent, a batch counts once.
            request_id: kit::Clock::System.new_uuid().to_string(),
        };
        let mut tries = 0;
        loop {
            match self.client().await?.import_emails(request.clone()).await {
                Ok(answer) => return Ok(answer.into_inner().results),
                Err(status) => wait(&status, &mut tries).await?,
            }
        }
    }

    pub async fn tickets(
        &mut self,
        tickets: Vec<ImportedTicket>,
        cursor: &str,
        left_out: i64,
    ) -> anyhow::Result<Vec<ImportResult>> {
        let request = ImportTicketsRequest {
            seller_id: self.seller_id.clone(),
            import_key: self.key.clone(),
            cursor: cursor.to_owned(),
            channel_account_id: self.account_id.clone(),
            tickets,
            rejected_by_client: left_out,
            // However often it is sent, a batch counts once.
            request_id: kit::Clock::System.new_uuid().to_string(),
        };
        let mut tries = 0;
        loop {
            match self.client().await?.import_tickets(request.clone()).await {
                Ok(answer) => return Ok(answer.into_inner().results),
                Err(status) => wait(&status, &mut tries).await?,
            }
        }
    }

    async fn client(&mut self) -> anyhow::Result<ImportsServiceClient<Transport>> {
        Ok(ImportsServiceClient::new(self.session.transport().await?)
            .max_encoding_message_size(kit::serve::MAX_MESSAGE_BYTES))
    }
}

/// Waits for what may pass; anything else, and what does not pass, ends the import.
async fn wait(status: &Status, tries: &mut u32) -> anyhow::Result<()> {
    let passes =
        matches!(status.code(), Code::Unavailable | Code::Aborted | Code::ResourceExhausted | Code::DeadlineExceeded);
    if !passes || TRIES <= *tries {
        return Err(told(status));
    }
    *tries += 1;
    tokio::time::sleep(Duration::from_millis(200 << *tries)).await;
    Ok(())
}
