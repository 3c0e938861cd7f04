//! UBL 2.1, the OASIS syntax of EN 16931. The order of elements is the schema's.

use rust_decimal::Decimal;

use crate::check::Invoice;
use crate::terms::{Account, Address, Adjustment, Category, Kind, Line, Means, Party, Period, Tax, Terms, Vat};
use crate::xml::{Xml, amount, dashed, plain};

/// The invoice or credit note as UBL 2.1.
pub fn ubl(invoice: &Invoice) -> Vec<u8> {
    let ubl = Ubl { terms: invoice.terms(), digits: invoice.digits().min(2), credit: invoice.is_credit() };
    let (root, namespace) = if ubl.credit {
        ("CreditNote", "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2")
    } else {
        ("Invoice", "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2")
    };
    let namespaces = [
        ("xmlns", namespace),
        ("xmlns:cac", "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"),
        ("xmlns:cbc", "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"),
    ];
    let mut xml = Xml::new();
    xml.inside_with(root, &namespaces, |xml| ubl.document(xml));
    xml.finish()
}

struct Ubl<'a> {
    terms: &'a Terms,
    digits: u32,
    credit: bool,
}

impl Ubl<'_> {
    fn document(&self, xml: &mut Xml) {
        let terms = self.terms;
        xml.text("cbc:CustomizationID", terms.profile.specification());
        xml.text("cbc:ProfileID", &terms.process);
        xml.text("cbc:ID", &terms.number);
        xml.text("cbc:IssueDate", &dashed(terms.issued));
        let tax_point = terms.tax_point.map(dashed).unwrap_or_default();
        // The schemas of the two kinds have the same elements in two orders.
        if self.credit {
            xml.text("cbc:TaxPointDate", &tax_point);
            xml.text("cbc:CreditNoteTypeCode", terms.kind.code());
        } else {
            xml.text("cbc:DueDate", &terms.due.map(dashed).unwrap_or_default());
            xml.text("cbc:InvoiceTypeCode", terms.kind.code());
        }
        for note in &terms.notes {
            xml.text("cbc:Note", note);
        }
        if !self.credit {
            xml.text("cbc:TaxPointDate", &tax_point);
        }
        xml.text("cbc:DocumentCurrencyCode", &terms.currency);
        xml.text("cbc:TaxCurrencyCode", terms.tax_in.as_ref().map_or("", |t| &t.currency));
        xml.text("cbc:AccountingCost", &terms.buyer_accounting);
        xml.text("cbc:BuyerReference", &terms.buyer_reference);
        period(xml, terms.period);
        xml.inside("cac:OrderReference", |xml| xml.text("cbc:ID", &terms.order));
        for preceding in &terms.preceding {
            xml.inside("cac:BillingReference", |xml| {
                xml.inside("cac:InvoiceDocumentReference", |xml| {
                    xml.text("cbc:ID", &preceding.number);
                    xml.text("cbc:IssueDate", &preceding.issued.map(dashed).unwrap_or_default());
                });
            });
        }
        xml.inside("cac:ContractDocumentReference", |xml| xml.text("cbc:ID", &terms.contract));
        if !self.credit {
            xml.inside("cac:ProjectReference", |xml| xml.text("cbc:ID", &terms.project));
        } else if !terms.project.is_empty() {
            xml.inside("cac:AdditionalDocumentReference", |xml| {
                xml.text("cbc:ID", &terms.project);
                xml.text("cbc:DocumentTypeCode", "50");
            });
        }
        let creditor = match terms.payment.as_ref().map(|p| &p.means) {
            Some(Means::SepaDebit { creditor, .. }) => creditor.as_str(),
            _ => "",
        };
        xml.inside("cac:AccountingSupplierParty", |xml| party(xml, &terms.seller, creditor));
        xml.inside("cac:AccountingCustomerParty", |xml| party(xml, &terms.buyer, ""));
        if let Some(delivery) = &terms.delivery {
            xml.inside("cac:Delivery", |xml| {
                xml.text("cbc:ActualDeliveryDate", &delivery.on.map(dashed).unwrap_or_default());
                if let Some(to) = &delivery.to {
                    xml.inside("cac:DeliveryLocation", |xml| xml.inside("cac:Address", |xml| address(xml, to)));
                }
            });
        }
        self.payment(xml);
        xml.inside("cac:PaymentTerms", |xml| xml.text("cbc:Note", &terms.payment_terms));
        for taxed in &terms.adjustments {
            self.adjustment(xml, &taxed.adjustment, Some(&taxed.vat));
        }
        self.taxes(xml);
        self.totals(xml);
        for line in &terms.lines {
            self.line(xml, line);
        }
    }

    fn money(&self, xml: &mut Xml, name: &'static str, value: Decimal) {
        xml.text_with(name, &[("currencyID", &self.terms.currency)], &amount(value, self.digits));
    }

    fn payment(&self, xml: &mut Xml) {
        let Some(payment) = &self.terms.payment else { return };
        xml.inside("cac:PaymentMeans", |xml| {
            xml.text("cbc:PaymentMeansCode", payment.means.code());
            if self.terms.kind == Kind::CreditNote {
                xml.text("cbc:PaymentDueDate", &self.terms.due.map(dashed).unwrap_or_default());
            }
            xml.text("cbc:PaymentID", &payment.reference);
            match &payment.means {
                Means::SepaTransfer(account) | Means::Transfer(account) => {
                    xml.inside("cac:PayeeFinancialAccount", |xml| payee(xml, account));
                }
                Means::SepaDebit { mandate, debited, .. } => xml.inside("cac:PaymentMandate", |xml| {
                    xml.text("cbc:ID", mandate);
                    xml.inside("cac:PayerFinancialAccount", |xml| xml.text("cbc:ID", debited));
                }),
                Means::Card { digits, holder } => xml.inside("cac:CardAccount", |xml| {
                    xml.text("cbc:PrimaryAccountNumberID", digits);
                    xml.text("cbc:NetworkID", "NA"); // the schema wants one, the standard has none
                    xml.text("cbc:HolderName", holder);
                }),
                Means::Other(_) => {}
            }
        });
    }

    fn adjustment(&self, xml: &mut Xml, one: &Adjustment, vat: Option<&Vat>) {
        xml.inside("cac:AllowanceCharge", |xml| {
            xml.text("cbc:ChargeIndicator", if one.charge { "true" } else { "false" });
            xml.text("cbc:AllowanceChargeReasonCode", &one.reason_code);
            xml.text("cbc:AllowanceChargeReason", &one.reason);
            if let Some(share) = &one.share {
                xml.text("cbc:MultiplierFactorNumeric", &plain(share.percent));
            }
            self.money(xml, "cbc:Amount", one.amount);
            if let Some(share) = &one.share {
                self.money(xml, "cbc:BaseAmount", share.base);
            }
            if let Some(vat) = vat {
                xml.inside("cac:TaxCategory", |xml| category(xml, vat, |_| {}));
            }
        });
    }

    fn taxes(&self, xml: &mut Xml) {
        xml.inside("cac:TaxTotal", |xml| {
            self.money(xml, "cbc:TaxAmount", self.terms.totals.tax);
            for tax in &self.terms.taxes {
                xml.inside("cac:TaxSubtotal", |xml| self.tax(xml, tax));
            }
        });
        if let Some(tax_in) = &self.terms.tax_in {
            let digits = crate::codes::minor_digits(&tax_in.currency).unwrap_or(2).min(2);
            xml.inside("cac:TaxTotal", |xml| {
                let currency = [("currencyID", tax_in.currency.as_str())];
                xml.text_with("cbc:TaxAmount", &currency, &amount(tax_in.amount, digits));
            });
        }
    }

    fn tax(&self, xml: &mut Xml, tax: &Tax) {
        self.money(xml, "cbc:TaxableAmount", tax.base);
        self.money(xml, "cbc:TaxAmount", tax.amount);
        xml.inside("cac:TaxCategory", |xml| {
            xml.text("cbc:ID", tax.vat.category.code());
            // XRechnung wants a rate here even where VAT does not reach.
            xml.text("cbc:Percent", &plain(tax.vat.rate));
            xml.text("cbc:TaxExemptionReasonCode", &tax.reason_code);
            xml.text("cbc:TaxExemptionReason", &tax.reason);
            xml.inside("cac:TaxScheme", |xml| xml.text("cbc:ID", "VAT"));
        });
    }

    fn totals(&self, xml: &mut Xml) {
        let totals = &self.terms.totals;
        xml.inside("cac:LegalMonetaryTotal", |xml| {
            self.money(xml, "cbc:LineExtensionAmount", totals.lines);
            self.money(xml, "cbc:TaxExclusiveAmount", totals.net);
            self.money(xml, "cbc:TaxInclusiveAmount", totals.gross);
            for (name, value) in [
                ("cbc:AllowanceTotalAmount", totals.allowances),
                ("cbc:ChargeTotalAmount", totals.charges),
                ("cbc:PrepaidAmount", totals.prepaid),
                ("cbc:PayableRoundingAmount", totals.rounding),
            ] {
                if !value.is_zero() {
                    self.money(xml, name, value);
                }
            }
            self.money(xml, "cbc:PayableAmount", totals.due);
        });
    }

    fn line(&self, xml: &mut Xml, line: &Line) {
        let (element, quantity) = if self.credit {
            ("cac:CreditNoteLine", "cbc:CreditedQuantity")
        } else {
            ("cac:InvoiceLine", "cbc:InvoicedQuantity")
        };
        let unit = [("unitCode", line.unit.as_str())];
        xml.inside(element, |xml| {
            xml.text("cbc:ID", &line.id);
            xml.text("cbc:Note", &line.note);
            xml.text_with(quantity, &unit, &plain(line.quantity));
            self.money(xml, "cbc:LineExtensionAmount", line.net);
            xml.text("cbc:AccountingCost", &line.buyer_accounting);
            period(xml, line.period);
            for one in &line.adjustments {
                self.adjustment(xml, one, None);
            }
            xml.inside("cac:Item", |xml| {
                xml.text("cbc:Description", &line.description);
                xml.text("cbc:Name", &line.name);
                xml.inside("cac:SellersItemIdentification", |xml| xml.text("cbc:ID", &line.code));
                xml.inside("cac:ClassifiedTaxCategory", |xml| category(xml, &line.vat, |_| {}));
                for (name, value) in &line.attributes {
                    xml.inside("cac:AdditionalItemProperty", |xml| {
                        xml.text("cbc:Name", name);
                        xml.text("cbc:Value", value);
                    });
                }
            });
            xml.inside("cac:Price", |xml| {
                let currency = [("currencyID", self.terms.currency.as_str())];
                xml.text_with("cbc:PriceAmount", &currency, &plain(line.price.amount));
                if line.price.per != Decimal::ONE {
                    xml.text_with("cbc:BaseQuantity", &unit, &plain(line.price.per));
                }
            });
        });
    }
}

fn category(xml: &mut Xml, vat: &Vat, reasons: impl FnOnce(&mut Xml)) {
    xml.text("cbc:ID", vat.category.code());
    if vat.category != Category::O {
        xml.text("cbc:Percent", &plain(vat.rate));
    }
    reasons(xml);
    xml.inside("cac:TaxScheme", |xml| xml.text("cbc:ID", "VAT"));
}

fn period(xml: &mut Xml, period: Option<Period>) {
    let Some(period) = period else { return };
    xml.inside("cac:InvoicePeriod", |xml| {
        xml.text("cbc:StartDate", &dashed(period.from));
        xml.text("cbc:EndDate", &dashed(period.until));
    });
}

fn payee(xml: &mut Xml, account: &Account) {
    xml.text("cbc:ID", &account.number);
    xml.text("cbc:Name", &account.holder);
    xml.inside("cac:FinancialInstitutionBranch", |xml| xml.text("cbc:ID", &account.bank));
}

fn party(xml: &mut Xml, party: &Party, creditor: &str) {
    xml.inside("cac:Party", |xml| {
        if let Some(endpoint) = &party.endpoint {
            xml.text_with("cbc:EndpointID", &[("schemeID", &endpoint.scheme)], &endpoint.value);
        }
        if let Some(id) = &party.id {
            let scheme = [("schemeID", id.scheme.as_str())];
            xml.inside("cac:PartyIdentification", |xml| xml.text_with("cbc:ID", &scheme, &id.value));
        }
        let sepa = [("schemeID", "SEPA")];
        xml.inside("cac:PartyIdentification", |xml| xml.text_with("cbc:ID", &sepa, creditor));
        xml.inside("cac:PartyName", |xml| xml.text("cbc:Name", &party.trading_name));
        xml.inside("cac:PostalAddress", |xml| address(xml, &party.address));
        for (number, scheme) in [(&party.vat_id, "VAT"), (&party.tax_number, "FC")] {
            if !number.is_empty() {
                xml.inside("cac:PartyTaxScheme", |xml| {
                    xml.text("cbc:CompanyID", number);
                    xml.inside("cac:TaxScheme", |xml| xml.text("cbc:ID", scheme));
                });
            }
        }
        xml.inside("cac:PartyLegalEntity", |xml| {
            xml.text("cbc:RegistrationName", &party.name);
            if let Some(id) = &party.registration {
                xml.text_with("cbc:CompanyID", &[("schemeID", &id.scheme)], &id.value);
            }
            xml.text("cbc:CompanyLegalForm", &party.legal_form);
        });
        if let Some(contact) = &party.contact {
            xml.inside("cac:Contact", |xml| {
                xml.text("cbc:Name", &contact.name);
                xml.text("cbc:Telephone", &contact.phone);
                xml.text("cbc:ElectronicMail", &contact.email);
            });
        }
    });
}

fn address(xml: &mut Xml, address: &Address) {
    let line = |index: usize| address.lines.get(index).map_or("", String::as_str);
    xml.text("cbc:StreetName", line(0));
    xml.text("cbc:AdditionalStreetName", line(1));
    xml.text("cbc:CityName", &address.city);
    xml.text("cbc:PostalZone", &address.postal_code);
    xml.text("cbc:CountrySubentity", &address.region);
    xml.inside("cac:AddressLine", |xml| xml.text("cbc:Line", line(2)));
    xml.inside("cac:Country", |xml| xml.text("cbc:IdentificationCode", &address.country));
}
