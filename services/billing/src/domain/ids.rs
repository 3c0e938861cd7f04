//! Ids of this service.

kit::id!(PlanId, "plan", "A rate plan, all versions.");
kit::id!(ContractId, "contract", "A signed plan version and its dates.");
kit::id!(IssuerId, "issuer", "A legal entity that issues invoices.");
kit::id!(UsageId, "usage", "A stored usage event.");
kit::id!(InvoiceId, "inv", "An invoice or credit note.");
kit::id!(PaymentId, "pay", "A received payment.");
kit::id!(RefundId, "refund", "Credit that was paid out.");
kit::id!(EntryId, "entry", "An entry of the ledger.");
kit::id!(PoolId, "pool", "Agents that several sellers share.");
kit::id!(CloseId, "close", "A close of a month of the books.");
kit::id!(PromiseId, "promise", "A promise of service that was kept or missed.");
kit::id!(ObjectionId, "objection", "An objection to how a promise was judged.");
kit::id!(HoldId, "hold", "A hold of dunning.");
kit::id!(ChargeId, "charge", "Fees and interest booked with a dunning notice.");
kit::id!(AlertId, "alert", "An alert of usage out of the ordinary.");
kit::id!(MailId, "mail", "A mail with a document.");
kit::id!(DisputeId, "dispute", "A dispute of usage events of an invoice's line.");
