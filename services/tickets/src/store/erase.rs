//! Removes everything of a seller.

use tenantdb::{Failure, TenantTx};

/// The tables of a seller, children first. The seller's own entry stays until its terms say erased.
const STATEMENTS: &[&str] = &[
    "delete from tickets.trigger_work where provider_id = $1 and seller_id = $2",
    "delete from tickets.trigger_version where provider_id = $1 and seller_id = $2",
    "delete from tickets.trigger where provider_id = $1 and seller_id = $2",
    "delete from tickets.question where provider_id = $1 and seller_id = $2",
    "delete from tickets.article_version where provider_id = $1 and seller_id = $2",
    "delete from tickets.article where provider_id = $1 and seller_id = $2",
    "delete from tickets.guard_override where provider_id = $1 and seller_id = $2",
    "delete from tickets.case_alert where provider_id = $1 and seller_id = $2",
    "delete from tickets.case_deadline where provider_id = $1 and seller_id = $2",
    "delete from tickets.case_event where provider_id = $1 and seller_id = $2",
    "delete from tickets.claim_evidence where provider_id = $1 and seller_id = $2",
    "delete from tickets.claim where provider_id = $1 and seller_id = $2",
    "delete from tickets.goods_return where provider_id = $1 and seller_id = $2",
    "delete from tickets.concession where provider_id = $1 and seller_id = $2",
    "delete from tickets.authority_limit where provider_id = $1 and seller_id = $2",
    "delete from tickets.presence where provider_id = $1 and seller_id = $2",
    "delete from tickets.draft where provider_id = $1 and seller_id = $2",
    "delete from tickets.signature where provider_id = $1 and seller_id = $2",
    "delete from tickets.order_pattern where provider_id = $1 and seller_id = $2",
    "delete from tickets.template_version where provider_id = $1 and seller_id = $2",
    "delete from tickets.template where provider_id = $1 and seller_id = $2",
    "delete from tickets.ticket_link where provider_id = $1 and seller_id = $2",
    "delete from tickets.snooze where provider_id = $1 and seller_id = $2",
    "delete from tickets.ticket_field where provider_id = $1 and seller_id = $2",
    "delete from tickets.field_definition where provider_id = $1 and seller_id = $2",
    "delete from tickets.ticket_tag where provider_id = $1 and seller_id = $2",
    "delete from tickets.tag where provider_id = $1 and seller_id = $2",
    "delete from tickets.upload where provider_id = $1 and seller_id = $2",
    "delete from tickets.attachment where provider_id = $1 and seller_id = $2",
    "delete from tickets.file_part where provider_id = $1 and seller_id = $2",
    "delete from tickets.file where provider_id = $1 and seller_id = $2",
    "delete from tickets.outgoing where provider_id = $1 and seller_id = $2",
    "delete from tickets.mail_pull where provider_id = $1 and seller_id = $2",
    "delete from tickets.mail_secret where provider_id = $1 and seller_id = $2",
    "delete from tickets.mail_connection where provider_id = $1 and seller_id = $2",
    "delete from tickets.quarantine_part where provider_id = $1 and seller_id = $2",
    "delete from tickets.quarantine where provider_id = $1 and seller_id = $2",
    "delete from tickets.call_hold where provider_id = $1 and seller_id = $2",
    "delete from tickets.call where provider_id = $1 and seller_id = $2",
    "delete from tickets.import_conversation where provider_id = $1 and seller_id = $2",
    "delete from tickets.import where provider_id = $1 and seller_id = $2",
    "delete from tickets.sla_alert where provider_id = $1 and seller_id = $2",
    "delete from tickets.verdict where provider_id = $1 and seller_id = $2",
    "delete from tickets.sla_clock where provider_id = $1 and seller_id = $2",
    "delete from tickets.message_raw where provider_id = $1 and seller_id = $2",
    "delete from tickets.message where provider_id = $1 and seller_id = $2",
    "delete from tickets.ticket_event where provider_id = $1 and seller_id = $2",
    "delete from tickets.ticket where provider_id = $1 and seller_id = $2",
    "delete from tickets.erasure_row where provider_id = $1 and seller_id = $2",
    "delete from tickets.erasure_customer where provider_id = $1 and seller_id = $2",
    "delete from tickets.erasure where provider_id = $1 and seller_id = $2",
    "delete from tickets.retention where provider_id = $1 and seller_id = $2",
    "delete from tickets.customer_event where provider_id = $1 and seller_id = $2",
    "delete from tickets.customer_term where provider_id = $1 and seller_id = $2",
    "delete from tickets.customer_identity where provider_id = $1 and seller_id = $2",
    "delete from tickets.customer where provider_id = $1 and seller_id = $2",
    "delete from tickets.number_series where provider_id = $1 and seller_id = $2",
    "delete from tickets.terms_look where provider_id = $1 and seller_id = $2",
    "delete from tickets.terms_version where provider_id = $1 and seller_id = $2",
    "delete from tickets.replay where provider_id = $1 and seller_id = $2",
    "delete from tickets.dead_letter where provider_id = $1 and seller_id = $2",
];

/// Erases the transaction's seller; how many rows went.
pub async fn seller(tx: &mut TenantTx) -> Result<u64, Failure> {
    let (provider, seller) = (tx.provider().0, tx.seller()?.0);
    let mut rows = 0;
    for &statement in STATEMENTS {
        rows += sqlx::query(statement).bind(provider).bind(seller).execute(tx.conn()).await?.rows_affected();
    }
    Ok(rows)
}
