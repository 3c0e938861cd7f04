//! A small reader of UBL and CII, with a parser that the writers do not use: documents back to their terms.

use documents::*;
use jiff::civil::Date;
use roxmltree::Node;
use rust_decimal::Decimal;

/// The element at a path of local names, first of its kind at every step.
fn at<'a, 'i>(node: Node<'a, 'i>, path: &str) -> Option<Node<'a, 'i>> {
    path.split('/').try_fold(node, |node, name| node.children().find(|c| c.tag_name().name() == name))
}

fn all<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |c| c.tag_name().name() == name)
}

fn text(node: Node<'_, '_>, path: &str) -> String {
    at(node, path).and_then(|n| n.text()).unwrap_or_default().to_owned()
}

fn some(node: Node<'_, '_>, path: &str) -> Option<String> {
    Some(text(node, path)).filter(|t| !t.is_empty())
}

fn number(node: Node<'_, '_>, path: &str) -> Decimal {
    some(node, path).map_or(Decimal::ZERO, |t| t.parse().unwrap())
}

fn day(text: &str) -> Date {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let part = |range: std::ops::Range<usize>| digits[range].parse::<i16>().unwrap();
    jiff::civil::date(part(0..4), part(4..6) as i8, part(6..8) as i8)
}

fn date(node: Node<'_, '_>, path: &str) -> Option<Date> {
    some(node, path).map(|t| day(&t))
}

fn profile(specification: &str) -> Profile {
    [Profile::En16931, Profile::XRechnung].into_iter().find(|p| p.specification() == specification).unwrap()
}

fn id(node: Option<Node<'_, '_>>) -> Option<Id> {
    let node = node?;
    let scheme = node.attribute("schemeID").unwrap_or_default().to_owned();
    Some(Id { value: node.text()?.to_owned(), scheme })
}

fn share(percent: Option<String>, base: Decimal) -> Option<Share> {
    Some(Share { base, percent: percent?.parse().unwrap() })
}

pub fn ubl(xml: &[u8]) -> Terms {
    let document = roxmltree::Document::parse(std::str::from_utf8(xml).unwrap()).unwrap();
    let root = document.root_element();
    let credit = root.tag_name().name() == "CreditNote";
    let kind = if credit { Kind::CreditNote } else { Kind::Invoice };
    assert_eq!(text(root, if credit { "CreditNoteTypeCode" } else { "InvoiceTypeCode" }), kind.code());
    let currency = text(root, "DocumentCurrencyCode");
    for amount in document.descendants().filter(|n| n.has_attribute("currencyID")) {
        let own = amount.attribute("currencyID").unwrap();
        assert!(own == currency || amount.parent().unwrap().tag_name().name() == "TaxTotal", "{own}");
    }
    let period = |node| {
        Some(Period { from: date(node, "InvoicePeriod/StartDate")?, until: date(node, "InvoicePeriod/EndDate")? })
    };
    let vat = |node: Node<'_, '_>| Vat {
        category: Category::parse(&text(node, "ID")).unwrap(),
        rate: number(node, "Percent"),
    };
    let adjustment = |node: Node<'_, '_>| Adjustment {
        charge: text(node, "ChargeIndicator") == "true",
        amount: number(node, "Amount"),
        share: share(some(node, "MultiplierFactorNumeric"), number(node, "BaseAmount")),
        reason: text(node, "AllowanceChargeReason"),
        reason_code: text(node, "AllowanceChargeReasonCode"),
    };
    let address = |node: Node<'_, '_>| Address {
        lines: ["StreetName", "AdditionalStreetName", "AddressLine/Line"]
            .into_iter()
            .filter_map(|path| some(node, path))
            .collect(),
        postal_code: text(node, "PostalZone"),
        city: text(node, "CityName"),
        region: text(node, "CountrySubentity"),
        country: text(node, "Country/IdentificationCode"),
    };
    let party = |path: &str| {
        let node = at(root, path).unwrap();
        let tax = |scheme: &str| {
            let found = all(node, "PartyTaxScheme").find(|n| text(*n, "TaxScheme/ID") == scheme);
            found.map(|n| text(n, "CompanyID")).unwrap_or_default()
        };
        let ids = all(node, "PartyIdentification").filter_map(|n| id(at(n, "ID")));
        Party {
            name: text(node, "PartyLegalEntity/RegistrationName"),
            trading_name: text(node, "PartyName/Name"),
            vat_id: tax("VAT"),
            tax_number: tax("FC"),
            registration: id(at(node, "PartyLegalEntity/CompanyID")),
            id: ids.into_iter().find(|id| id.scheme != "SEPA"),
            legal_form: text(node, "PartyLegalEntity/CompanyLegalForm"),
            endpoint: id(at(node, "EndpointID")).map(|id| Endpoint { value: id.value, scheme: id.scheme }),
            address: address(at(node, "PostalAddress").unwrap()),
            contact: at(node, "Contact").map(|n| Contact {
                name: text(n, "Name"),
                phone: text(n, "Telephone"),
                email: text(n, "ElectronicMail"),
            }),
        }
    };
    let payment = at(root, "PaymentMeans").map(|node| {
        let account = || Account {
            number: text(node, "PayeeFinancialAccount/ID"),
            holder: text(node, "PayeeFinancialAccount/Name"),
            bank: text(node, "PayeeFinancialAccount/FinancialInstitutionBranch/ID"),
        };
        let seller = at(root, "AccountingSupplierParty/Party").unwrap();
        let means = match text(node, "PaymentMeansCode").as_str() {
            "58" => Means::SepaTransfer(account()),
            "30" => Means::Transfer(account()),
            "59" => Means::SepaDebit {
                mandate: text(node, "PaymentMandate/ID"),
                creditor: all(seller, "PartyIdentification")
                    .filter_map(|n| id(at(n, "ID")))
                    .find(|id| id.scheme == "SEPA")
                    .unwrap()
                    .value,
                debited: text(node, "PaymentMandate/PayerFinancialAccount/ID"),
            },
            "48" => Means::Card {
                digits: text(node, "CardAccount/PrimaryAccountNumberID"),
                holder: text(node, "CardAccount/HolderName"),
            },
            other => Means::Other(other.into()),
        };
        Payment { means, reference: text(node, "PaymentID") }
    });
    let totals = at(root, "LegalMonetaryTotal").unwrap();
    let tax_totals: Vec<_> = all(root, "TaxTotal").collect();
    let lines = all(root, if credit { "CreditNoteLine" } else { "InvoiceLine" }).map(|node| {
        let quantity = at(node, if credit { "CreditedQuantity" } else { "InvoicedQuantity" }).unwrap();
        Line {
            id: text(node, "ID"),
            note: text(node, "Note"),
            quantity: quantity.text().unwrap().parse().unwrap(),
            unit: quantity.attribute("unitCode").unwrap().to_owned(),
            price: Price {
                amount: number(node, "Price/PriceAmount"),
                per: some(node, "Price/BaseQuantity").map_or(Decimal::ONE, |t| t.parse().unwrap()),
            },
            adjustments: all(node, "AllowanceCharge").map(adjustment).collect(),
            net: number(node, "LineExtensionAmount"),
            vat: vat(at(node, "Item/ClassifiedTaxCategory").unwrap()),
            period: period(node),
            name: text(node, "Item/Name"),
            description: text(node, "Item/Description"),
            code: text(node, "Item/SellersItemIdentification/ID"),
            buyer_accounting: text(node, "AccountingCost"),
            attributes: all(at(node, "Item").unwrap(), "AdditionalItemProperty")
                .map(|n| (text(n, "Name"), text(n, "Value")))
                .collect(),
        }
    });
    Terms {
        profile: profile(&text(root, "CustomizationID")),
        process: text(root, "ProfileID"),
        kind,
        number: text(root, "ID"),
        issued: date(root, "IssueDate").unwrap(),
        due: date(root, if credit { "PaymentMeans/PaymentDueDate" } else { "DueDate" }),
        tax_point: date(root, "TaxPointDate"),
        tax_in: some(root, "TaxCurrencyCode")
            .map(|currency| TaxIn { currency, amount: number(tax_totals[1], "TaxAmount") }),
        currency,
        buyer_reference: text(root, "BuyerReference"),
        project: text(root, if credit { "AdditionalDocumentReference/ID" } else { "ProjectReference/ID" }),
        contract: text(root, "ContractDocumentReference/ID"),
        order: text(root, "OrderReference/ID"),
        buyer_accounting: text(root, "AccountingCost"),
        notes: all(root, "Note").map(|n| n.text().unwrap().to_owned()).collect(),
        preceding: all(root, "BillingReference")
            .filter_map(|n| at(n, "InvoiceDocumentReference"))
            .map(|n| Preceding { number: text(n, "ID"), issued: date(n, "IssueDate") })
            .collect(),
        seller: party("AccountingSupplierParty/Party"),
        buyer: party("AccountingCustomerParty/Party"),
        delivery: at(root, "Delivery").map(|n| Delivery {
            on: date(n, "ActualDeliveryDate"),
            to: at(n, "DeliveryLocation/Address").map(address),
        }),
        period: period(root),
        payment_terms: text(root, "PaymentTerms/Note"),
        payment,
        adjustments: all(root, "AllowanceCharge")
            .map(|n| Taxed { adjustment: adjustment(n), vat: vat(at(n, "TaxCategory").unwrap()) })
            .collect(),
        lines: lines.collect(),
        taxes: all(tax_totals[0], "TaxSubtotal")
            .map(|n| {
                let category = at(n, "TaxCategory").unwrap();
                Tax {
                    vat: vat(category),
                    base: number(n, "TaxableAmount"),
                    amount: number(n, "TaxAmount"),
                    reason: text(category, "TaxExemptionReason"),
                    reason_code: text(category, "TaxExemptionReasonCode"),
                }
            })
            .collect(),
        totals: Totals {
            lines: number(totals, "LineExtensionAmount"),
            allowances: number(totals, "AllowanceTotalAmount"),
            charges: number(totals, "ChargeTotalAmount"),
            net: number(totals, "TaxExclusiveAmount"),
            tax: number(tax_totals[0], "TaxAmount"),
            gross: number(totals, "TaxInclusiveAmount"),
            prepaid: number(totals, "PrepaidAmount"),
            rounding: number(totals, "PayableRoundingAmount"),
            due: number(totals, "PayableAmount"),
        },
    }
}

pub fn cii(xml: &[u8]) -> Terms {
    let document = roxmltree::Document::parse(std::str::from_utf8(xml).unwrap()).unwrap();
    let root = document.root_element();
    let context = at(root, "ExchangedDocumentContext").unwrap();
    let head = at(root, "ExchangedDocument").unwrap();
    let trade = at(root, "SupplyChainTradeTransaction").unwrap();
    let agreement = at(trade, "ApplicableHeaderTradeAgreement").unwrap();
    let delivery = at(trade, "ApplicableHeaderTradeDelivery").unwrap();
    let settlement = at(trade, "ApplicableHeaderTradeSettlement").unwrap();
    let currency = text(settlement, "InvoiceCurrencyCode");
    let period = |node| {
        let node = at(node, "BillingSpecifiedPeriod")?;
        let date = |path| date(node, path);
        Some(Period { from: date("StartDateTime/DateTimeString")?, until: date("EndDateTime/DateTimeString")? })
    };
    let vat = |node: Node<'_, '_>| Vat {
        category: Category::parse(&text(node, "CategoryCode")).unwrap(),
        rate: number(node, "RateApplicablePercent"),
    };
    let adjustment = |node: Node<'_, '_>| Adjustment {
        charge: text(node, "ChargeIndicator/Indicator") == "true",
        amount: number(node, "ActualAmount"),
        share: share(some(node, "CalculationPercent"), number(node, "BasisAmount")),
        reason: text(node, "Reason"),
        reason_code: text(node, "ReasonCode"),
    };
    let address = |node: Node<'_, '_>| {
        let node = at(node, "PostalTradeAddress").unwrap();
        Address {
            lines: ["LineOne", "LineTwo", "LineThree"].into_iter().filter_map(|path| some(node, path)).collect(),
            postal_code: text(node, "PostcodeCode"),
            city: text(node, "CityName"),
            region: text(node, "CountrySubDivisionName"),
            country: text(node, "CountryID"),
        }
    };
    let party = |path: &str| {
        let node = at(agreement, path).unwrap();
        let tax = |scheme: &str| {
            let ids = all(node, "SpecifiedTaxRegistration").filter_map(|n| id(at(n, "ID")));
            ids.into_iter().find(|id| id.scheme == scheme).map(|id| id.value).unwrap_or_default()
        };
        Party {
            name: text(node, "Name"),
            trading_name: text(node, "SpecifiedLegalOrganization/TradingBusinessName"),
            vat_id: tax("VA"),
            tax_number: tax("FC"),
            registration: id(at(node, "SpecifiedLegalOrganization/ID")),
            id: id(at(node, "GlobalID")).or(id(at(node, "ID"))),
            legal_form: text(node, "Description"),
            endpoint: id(at(node, "URIUniversalCommunication/URIID"))
                .map(|id| Endpoint { value: id.value, scheme: id.scheme }),
            address: address(node),
            contact: at(node, "DefinedTradeContact").map(|n| Contact {
                name: text(n, "PersonName"),
                phone: text(n, "TelephoneUniversalCommunication/CompleteNumber"),
                email: text(n, "EmailURIUniversalCommunication/URIID"),
            }),
        }
    };
    let terms = at(settlement, "SpecifiedTradePaymentTerms");
    let payment = at(settlement, "SpecifiedTradeSettlementPaymentMeans").map(|node| {
        let account = || Account {
            number: some(node, "PayeePartyCreditorFinancialAccount/IBANID")
                .unwrap_or_else(|| text(node, "PayeePartyCreditorFinancialAccount/ProprietaryID")),
            holder: text(node, "PayeePartyCreditorFinancialAccount/AccountName"),
            bank: text(node, "PayeeSpecifiedCreditorFinancialInstitution/BICID"),
        };
        let means = match text(node, "TypeCode").as_str() {
            "58" => Means::SepaTransfer(account()),
            "30" => Means::Transfer(account()),
            "59" => Means::SepaDebit {
                mandate: terms.map(|n| text(n, "DirectDebitMandateID")).unwrap_or_default(),
                creditor: text(settlement, "CreditorReferenceID"),
                debited: text(node, "PayerPartyDebtorFinancialAccount/IBANID"),
            },
            "48" => Means::Card {
                digits: text(node, "ApplicableTradeSettlementFinancialCard/ID"),
                holder: text(node, "ApplicableTradeSettlementFinancialCard/CardholderName"),
            },
            other => Means::Other(other.into()),
        };
        Payment { means, reference: text(settlement, "PaymentReference") }
    });
    let totals = at(settlement, "SpecifiedTradeSettlementHeaderMonetarySummation").unwrap();
    let tax_in = |own: &str| {
        let mut amounts = all(totals, "TaxTotalAmount");
        amounts.find(|n| n.attribute("currencyID") == Some(own)).map(|n| n.text().unwrap().parse().unwrap())
    };
    let lines = all(trade, "IncludedSupplyChainTradeLineItem").map(|node| {
        let settled = at(node, "SpecifiedLineTradeSettlement").unwrap();
        let quantity = at(node, "SpecifiedLineTradeDelivery/BilledQuantity").unwrap();
        let price = at(node, "SpecifiedLineTradeAgreement/NetPriceProductTradePrice").unwrap();
        let product = at(node, "SpecifiedTradeProduct").unwrap();
        Line {
            id: text(node, "AssociatedDocumentLineDocument/LineID"),
            note: text(node, "AssociatedDocumentLineDocument/IncludedNote/Content"),
            quantity: quantity.text().unwrap().parse().unwrap(),
            unit: quantity.attribute("unitCode").unwrap().to_owned(),
            price: Price {
                amount: number(price, "ChargeAmount"),
                per: some(price, "BasisQuantity").map_or(Decimal::ONE, |t| t.parse().unwrap()),
            },
            adjustments: all(settled, "SpecifiedTradeAllowanceCharge").map(adjustment).collect(),
            net: number(settled, "SpecifiedTradeSettlementLineMonetarySummation/LineTotalAmount"),
            vat: vat(at(settled, "ApplicableTradeTax").unwrap()),
            period: period(settled),
            name: text(product, "Name"),
            description: text(product, "Description"),
            code: text(product, "SellerAssignedID"),
            buyer_accounting: text(settled, "ReceivableSpecifiedTradeAccountingAccount/ID"),
            attributes: all(product, "ApplicableProductCharacteristic")
                .map(|n| (text(n, "Description"), text(n, "Value")))
                .collect(),
        }
    });
    let kind = if text(head, "TypeCode") == "381" { Kind::CreditNote } else { Kind::Invoice };
    Terms {
        profile: profile(&text(context, "GuidelineSpecifiedDocumentContextParameter/ID")),
        process: text(context, "BusinessProcessSpecifiedDocumentContextParameter/ID"),
        kind,
        number: text(head, "ID"),
        issued: date(head, "IssueDateTime/DateTimeString").unwrap(),
        due: terms.and_then(|n| date(n, "DueDateDateTime/DateTimeString")),
        tax_point: date(settlement, "ApplicableTradeTax/TaxPointDate/DateString"),
        tax_in: some(settlement, "TaxCurrencyCode")
            .map(|currency| TaxIn { amount: tax_in(&currency).unwrap(), currency }),
        buyer_reference: text(agreement, "BuyerReference"),
        project: text(agreement, "SpecifiedProcuringProject/ID"),
        contract: text(agreement, "ContractReferencedDocument/IssuerAssignedID"),
        order: text(agreement, "BuyerOrderReferencedDocument/IssuerAssignedID"),
        buyer_accounting: text(settlement, "ReceivableSpecifiedTradeAccountingAccount/ID"),
        notes: all(head, "IncludedNote").map(|n| text(n, "Content")).collect(),
        preceding: all(settlement, "InvoiceReferencedDocument")
            .map(|n| Preceding {
                number: text(n, "IssuerAssignedID"),
                issued: date(n, "FormattedIssueDateTime/DateTimeString"),
            })
            .collect(),
        seller: party("SellerTradeParty"),
        buyer: party("BuyerTradeParty"),
        delivery: delivery.has_children().then(|| Delivery {
            on: date(delivery, "ActualDeliverySupplyChainEvent/OccurrenceDateTime/DateTimeString"),
            to: at(delivery, "ShipToTradeParty").map(address),
        }),
        period: period(settlement),
        payment_terms: terms.map(|n| text(n, "Description")).unwrap_or_default(),
        payment,
        adjustments: all(settlement, "SpecifiedTradeAllowanceCharge")
            .map(|n| Taxed { adjustment: adjustment(n), vat: vat(at(n, "CategoryTradeTax").unwrap()) })
            .collect(),
        lines: lines.collect(),
        taxes: all(settlement, "ApplicableTradeTax")
            .map(|n| Tax {
                vat: vat(n),
                base: number(n, "BasisAmount"),
                amount: number(n, "CalculatedAmount"),
                reason: text(n, "ExemptionReason"),
                reason_code: text(n, "ExemptionReasonCode"),
            })
            .collect(),
        totals: Totals {
            lines: number(totals, "LineTotalAmount"),
            allowances: number(totals, "AllowanceTotalAmount"),
            charges: number(totals, "ChargeTotalAmount"),
            net: number(totals, "TaxBasisTotalAmount"),
            tax: tax_in(&currency).unwrap(),
            gross: number(totals, "GrandTotalAmount"),
            prepaid: number(totals, "TotalPrepaidAmount"),
            rounding: number(totals, "RoundingAmount"),
            due: number(totals, "DuePayableAmount"),
        },
        currency,
    }
}
