//! The ids of this service.

kit::id!(TicketId, "ticket", "A matter of one customer with one seller.");
kit::id!(MessageId, "message", "One utterance.");
kit::id!(CustomerId, "customer", "A seller's customer.");
kit::id!(ContactId, "contact", "One unit of work that can be offered and billed.");
kit::id!(ChannelAccountId, "chan", "A mailbox, a marketplace account, a number.");
kit::id!(AttachmentId, "attachment", "A file of a message.");
kit::id!(QuarantineId, "quarantine", "A mail that could not be taken in.");
kit::id!(AlertId, "alert", "A warning about a clock.");
kit::id!(ImportId, "import", "A bulk import of past messages.");
kit::id!(CallId, "call", "A telephone call.");
kit::id!(ErasureId, "cerasure", "An erasure of what was kept of customers.");

kit::id!(TemplateId, "template", "A reply template of a seller.");
kit::id!(ConcessionId, "concession", "Money asked for on a ticket.");
kit::id!(TriggerId, "trigger", "A trigger of a seller.");
kit::id!(QuestionId, "question", "A question to the seller.");
kit::id!(TranslationId, "translation", "What a machine translated.");
kit::id!(ClaimId, "claim", "A claim at a marketplace.");
kit::id!(EvidenceId, "evidence", "Something that proves a side of a claim.");
kit::id!(ReturnId, "return", "Goods that come back.");
kit::id!(UploadId, "upload", "A file that waits for its answer.");
kit::id!(ArticleId, "article", "What customers ask and what to answer.");
kit::id!(SurveyId, "survey", "What customers are asked after a ticket was solved.");
kit::id!(InvitationId, "invite", "Somebody who was asked by a survey, or was not.");
kit::id!(AnswerId, "sanswer", "An answer to a survey.");
kit::id!(IncidentId, "incident", "Something that went wrong for many customers at once.");

pub use kit::ids::{SellerId, UserId, Uuid};
