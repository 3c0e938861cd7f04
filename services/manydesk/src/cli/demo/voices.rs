//! How customers of Masque Noir say they were served: a survey, and the answers of the half-year before, in which
//! Germany got better.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use proto::tickets::v1::surveys_service_client::SurveysServiceClient;
use proto::tickets::v1::{ImportSurveyAnswersRequest, ImportedSurveyAnswer, PutSurveyRequest, SurveyKind, SurveyText};

use super::people::Sold;
use crate::cli::client::{Transport, told};

const MASQUE: &str = "masque-noir";
/// Of 50 answers from Germany, the good ones, month by month.
const GERMANY: [usize; 6] = [39, 40, 42, 43, 45, 46];
/// Of 20 from Italy.
const ITALY: [usize; 6] = [18, 18, 17, 18, 19, 18];

/// Sets the survey up and brings the answers along.
pub(super) async fn ask(transport: &Transport, sellers: &[Sold], today: Date) -> anyhow::Result<()> {
    let Some((_, seller_id)) = sellers.iter().find(|(handle, _)| *handle == MASQUE) else { return Ok(()) };
    let mut surveys = SurveysServiceClient::new(transport.clone());
    let survey = PutSurveyRequest {
        seller_id: seller_id.clone(),
        request_id: "demo-survey".into(),
        key: "after-solving".into(),
        name: "A day after solving".into(),
        kind: SurveyKind::Csat.into(),
        delay_seconds: 86_400,
        quiet_days: 30,
        valid_days: 30,
        fallback_language: "en".into(),
        active: true,
        texts: texts(),
        ..PutSurveyRequest::default()
    };
    surveys.put_survey(survey).await.map_err(|status| told(&status))?;
    let mut answers = Vec::new();
    for (country, of, good) in [("DE", 50, GERMANY), ("IT", 20, ITALY)] {
        for (back, good) in (1..=6).rev().zip(good) {
            let month = today.first_of_month() - back.months();
            for n in 0..of {
                let day = month + (i64::try_from(n % 28).unwrap_or(0)).days();
                answers.push(ImportedSurveyAnswer {
                    external_id: format!("demo-{country}-{month}-{n}"),
                    kind: SurveyKind::Csat.into(),
                    score: if n < good { 4 + i32::from(n % 3 != 0) } else { 1 + i32::from(n % 2 == 0) },
                    answered_at: Some(kit::wire::timestamp(noon(day)?)),
                    country: country.to_owned(),
                    marketplace: "amazon".to_owned(),
                    language: country.to_lowercase(),
                    channel: "marketplace".to_owned(),
                });
            }
        }
    }
    let request = ImportSurveyAnswersRequest { seller_id: seller_id.clone(), request_id: String::new(), answers };
    surveys.import_survey_answers(request).await.map_err(|status| told(&status))?;
    Ok(())
}

fn noon(day: Date) -> anyhow::Result<Timestamp> {
    Ok(day.at(12, 0, 0, 0).in_tz("UTC")?.timestamp())
}

fn texts() -> Vec<SurveyText> {
    let text =
        |language: &str, invitation: &str, question: &str, low: &str, high: &str, comment: &str, thanks: &str| {
            SurveyText {
                language: language.into(),
                invitation: format!("{invitation}\n\n{{{{survey.links}}}}\n\n{{{{seller.name}}}}"),
                question: question.into(),
                low_label: low.into(),
                high_label: high.into(),
                comment_prompt: comment.into(),
                thanks: thanks.into(),
            }
        };
    vec![
        text(
            "de",
            "Guten Tag, wie zufrieden waren Sie mit unserer Hilfe zu {{ticket.number}}?",
            "Wie zufrieden waren Sie mit unserer Hilfe?",
            "gar nicht",
            "sehr",
            "Was können wir besser machen?",
            "Vielen Dank für Ihre Antwort.",
        ),
        text(
            "en",
            "Hello, how satisfied were you with our help about {{ticket.number}}?",
            "How satisfied were you with our help?",
            "not at all",
            "very",
            "What can we do better?",
            "Thank you for your answer.",
        ),
        text(
            "it",
            "Buongiorno, quanto è soddisfatto del nostro aiuto per {{ticket.number}}?",
            "Quanto è soddisfatto del nostro aiuto?",
            "per niente",
            "molto",
            "Che cosa possiamo fare meglio?",
            "Grazie della risposta.",
        ),
    ]
}
