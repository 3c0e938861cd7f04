//! Ids of this service.

kit::id!(PlanId, "plan", "A rate plan, all versions.");
kit::id!(ContractId, "contract", "A signed plan version and its dates.");
kit::id!(IssuerId, "issuer", "A legal entity that issues invoices.");
kit::id!(UsageId, "usage", "A stored usage event.");
kit::id!(InvoiceId, "inv", "An invoice or credit note.");
kit::id!(PaymentId, "pay", "A received payment.");
kit::id!(EntryId, "entry", "An entry of the ledger.");
