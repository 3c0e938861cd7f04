//! Settings of the executable, parsed whole before a port is bound.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kit::config::{Reader, Secret, Wrong};
use kit::telemetry::LogFormat;
use tenantdb::events::jetstream;

/// What every process needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where people and programs reach the gateway.
    pub listen: SocketAddr,
    /// The certificate of that port; none = it speaks without TLS.
    pub tls: Option<gateway::tls::Files>,
    /// Where Prometheus fetches metrics; none = not served.
    pub metrics: Option<SocketAddr>,
    /// Data folder of the embedded database and the secrets.
    pub data: PathBuf,
    /// PostgreSQL server binaries, if not to be looked for.
    pub postgres_bin: Option<PathBuf>,
    /// A database to use instead of the embedded one (a role that may create roles).
    pub database_url: Option<Secret>,
    /// Log filter.
    pub log: String,
    /// Log format.
    pub log_format: LogFormat,
    /// OTLP collector.
    pub otlp: Option<String>,
    /// `iss` of tokens, and the address in links.
    pub public_url: Option<String>,
    /// Longest call.
    pub call_timeout: Duration,
    /// Longest drain at the end.
    pub drain: Duration,
    /// Calls at work at once, per service.
    pub in_flight: usize,
    /// Calls a second that one provider may make.
    pub tenant_rate: f64,
    /// Calls a second without a token that one address may make.
    pub address_rate: f64,
    /// Believe `X-Forwarded-For` of a proxy in front.
    pub trust_forwarded: bool,
    /// Database connections per service.
    pub connections: u32,
    /// NATS JetStream as the bus between services; none = PostgreSQL.
    pub bus: Option<jetstream::Settings>,
    /// For how many days routing keeps what.
    pub routing: routing::Kept,
    /// How mail is sent and received.
    pub mail: tickets::mail::Settings,
}

/// The default data folder.
pub fn default_data() -> PathBuf {
    let home = kit::config::environment("HOME").map(PathBuf::from);
    let xdg = kit::config::environment("XDG_DATA_HOME").map(PathBuf::from);
    let root = std::os::unix::fs::MetadataExt::uid(&match std::fs::metadata("/proc/self") {
        Ok(metadata) => metadata,
        Err(_) => return cluster::default_data(false, home.as_deref(), xdg.as_deref()),
    }) == 0;
    cluster::default_data(root, home.as_deref(), xdg.as_deref())
}

impl Config {
    /// Reads the variables; all faults at once.
    pub fn read(vars: &dyn Fn(&str) -> Option<String>) -> Result<Config, Vec<Wrong>> {
        let mut reader = Reader::new(vars);
        let listen = reader.parsed(
            "MANYDESK_LISTEN",
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            "an address such as 127.0.0.1:8080",
        );
        let metrics = reader.text("MANYDESK_METRICS_LISTEN").and_then(|text| match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                reader.wrong("MANYDESK_METRICS_LISTEN", "must be an address such as 127.0.0.1:9090");
                None
            }
        });
        let data = reader.text("MANYDESK_DATA").map_or_else(default_data, PathBuf::from);
        let log_format = match reader.text("MANYDESK_LOG_FORMAT").as_deref() {
            None | Some("pretty") => LogFormat::Pretty,
            Some("json") => LogFormat::Json,
            Some(_) => {
                reader.wrong("MANYDESK_LOG_FORMAT", "must be pretty or json");
                LogFormat::Pretty
            }
        };
        let millis = |reader: &mut Reader<'_>, name, default: u64| {
            Duration::from_millis(reader.parsed(name, default, "a number of milliseconds"))
        };
        let (bus, mail, routing) = (bus(&mut reader), mail(&mut reader), routing(&mut reader));
        let tls = tls(&mut reader);
        let config = Config {
            listen,
            tls,
            metrics,
            data,
            postgres_bin: reader.text("MANYDESK_POSTGRES_BIN").map(PathBuf::from),
            database_url: reader.secret("DATABASE_URL"),
            log: reader.text("MANYDESK_LOG").unwrap_or_else(|| "warn".to_owned()),
            log_format,
            otlp: reader.text("MANYDESK_OTLP_ENDPOINT"),
            public_url: reader.text("MANYDESK_PUBLIC_URL"),
            call_timeout: millis(&mut reader, "MANYDESK_CALL_TIMEOUT_MS", 15_000),
            drain: millis(&mut reader, "MANYDESK_DRAIN_MS", 10_000),
            in_flight: reader.parsed("MANYDESK_IN_FLIGHT", 512, "a number"),
            tenant_rate: reader.parsed("MANYDESK_TENANT_CALLS_PER_SECOND", 2_000.0, "a number"),
            address_rate: reader.parsed("MANYDESK_ADDRESS_CALLS_PER_SECOND", 50.0, "a number"),
            trust_forwarded: reader.parsed("MANYDESK_TRUST_FORWARDED", false, "true or false"),
            connections: reader.parsed("MANYDESK_CONNECTIONS", 6, "a number"),
            bus,
            routing,
            mail,
        };
        if !(1..=200).contains(&config.connections) {
            reader.wrong("MANYDESK_CONNECTIONS", "must be 1 to 200");
        }
        if !(config.tenant_rate > 0.0 && config.address_rate > 0.0) {
            reader.wrong("MANYDESK_TENANT_CALLS_PER_SECOND", "rates must be above 0");
        }
        reader.finish(config)
    }

    /// `iss` of tokens.
    pub fn issuer(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| self.address_url(self.listen))
    }

    /// The address of the gateway as a URL.
    pub fn address_url(&self, address: SocketAddr) -> String {
        format!("{}://{address}", if self.tls.is_some() { "https" } else { "http" })
    }
}

/// The gateway's own TLS: both files or none. They are tried here, so that nothing starts without.
fn tls(reader: &mut Reader<'_>) -> Option<gateway::tls::Files> {
    const CERTIFICATE: &str = "MANYDESK_EDGE_CERT_FILE";
    let (certificate, key) = match (reader.text(CERTIFICATE), reader.text("MANYDESK_EDGE_KEY_FILE")) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        _ => {
            reader.wrong(CERTIFICATE, "needs MANYDESK_EDGE_CERT_FILE and MANYDESK_EDGE_KEY_FILE together");
            return None;
        }
    };
    let files = gateway::tls::Files { certificate: certificate.into(), key: key.into() };
    match gateway::tls::Tls::read(files.clone()) {
        Ok(_) => Some(files),
        Err(unusable) => {
            reader.wrong(CERTIFICATE, unusable.to_string());
            None
        }
    }
}

/// NATS JetStream, where its address is given.
fn bus(reader: &mut Reader<'_>) -> Option<jetstream::Settings> {
    let url = reader.secret("MANYDESK_NATS_URL");
    let replicas = reader.parsed("MANYDESK_NATS_REPLICAS", 1, "a number");
    let settings = jetstream::Settings { url: url?, replicas };
    if let Err(problem) = settings.servers() {
        reader.wrong("MANYDESK_NATS_URL", problem);
    }
    if !(1..=5).contains(&replicas) {
        reader.wrong("MANYDESK_NATS_REPLICAS", "must be 1 to 5");
    }
    Some(settings)
}

/// For how many days routing keeps what.
fn routing(reader: &mut Reader<'_>) -> routing::Kept {
    let usual = routing::Kept::default();
    let history_days = reader.parsed("MANYDESK_ROUTING_HISTORY_DAYS", usual.history_days, "a number of days");
    // Whoever keeps the history for longer than usual keeps the trail as long.
    let trail_days = usual.trail_days.max(history_days);
    let kept = routing::Kept {
        journal_days: reader.parsed("MANYDESK_ROUTING_JOURNAL_DAYS", usual.journal_days, "a number of days"),
        history_days,
        trail_days: reader.parsed("MANYDESK_ROUTING_TRAIL_DAYS", trail_days, "a number of days"),
    };
    if !kept.is_sound() {
        reader.wrong(
            "MANYDESK_ROUTING_HISTORY_DAYS",
            "must be more than MANYDESK_ROUTING_JOURNAL_DAYS, which must be 1 to 90, and at most \
             MANYDESK_ROUTING_TRAIL_DAYS, which must be at most 3660",
        );
    }
    kept
}

/// The mail server for notices to people: its URL and the address they come from, both or none.
fn notices(reader: &mut Reader<'_>) -> Option<tickets::mail::Notices> {
    use tickets::mail::Security;
    const URL: &str = "MANYDESK_NOTICE_SMTP_URL";
    let (url, from) = match (reader.secret(URL), reader.text("MANYDESK_NOTICE_FROM")) {
        (None, None) => return None,
        (Some(url), Some(from)) => (url, from),
        _ => {
            reader.wrong(URL, "needs MANYDESK_NOTICE_SMTP_URL and MANYDESK_NOTICE_FROM together");
            return None;
        }
    };
    if !from.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
        || from.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c))
    {
        reader.wrong("MANYDESK_NOTICE_FROM", "must be an address such as alerts@center.example");
        return None;
    }
    let read = || {
        let uri: http::Uri = url.0.parse().ok()?;
        let (security, port) = match uri.scheme_str()? {
            "smtps" => (Security::Tls, 465),
            "smtp" => (Security::StartTls, 587),
            "smtp+plain" => (Security::None, 25),
            _ => return None,
        };
        let (user, password) = match uri.authority()?.as_str().rsplit_once('@') {
            Some((of, _)) => of.split_once(':').unwrap_or((of, "")),
            None => ("", ""),
        };
        let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().ok().map(String::from);
        let host = uri.host().filter(|host| !host.is_empty() && uri.path() == "/" && uri.query().is_none())?;
        let port = uri.port_u16().unwrap_or(port);
        let (host, user, password) = (host.to_owned(), plain(user)?, plain(password)?);
        Some(tickets::mail::Notices { host, port, security, user, password, from })
    };
    let notices = read();
    if notices.is_none() {
        // What was given stays unsaid: there is a password in it.
        let problem = "must be smtps://user:password@host:465 (TLS), smtp://… (STARTTLS) or smtp+plain://… (neither)";
        reader.wrong(URL, problem);
    }
    notices
}

/// How mail is sent and received; each service that has master keys gets them apart.
fn mail(reader: &mut Reader<'_>) -> tickets::mail::Settings {
    let usual = tickets::mail::Settings::default();
    let host =
        reader.text("MANYDESK_PUBLIC_URL").and_then(|url| Some(url.parse::<http::Uri>().ok()?.host()?.to_owned()));
    let millis = |reader: &mut Reader<'_>, name, usual: Duration| {
        let usual = u64::try_from(usual.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(reader.parsed(name, usual, "a number of milliseconds"))
    };
    let address = |reader: &mut Reader<'_>, name| {
        let text = reader.text(name)?;
        let address = text.parse().ok();
        if address.is_none() {
            reader.wrong(name, "must be an address such as 127.0.0.1:2525");
        }
        address
    };
    let settings = tickets::mail::Settings {
        master_keys: None,
        internal_servers: reader.parsed("MANYDESK_MAIL_INTERNAL_SERVERS", false, "true or false"),
        authorities: reader.file("MANYDESK_MAIL_CA_FILE"),
        hello: reader.text("MANYDESK_MAIL_HELLO").or(host).unwrap_or(usual.hello),
        first_retry: millis(reader, "MANYDESK_MAIL_FIRST_RETRY_MS", usual.first_retry),
        attempts: reader.parsed("MANYDESK_MAIL_ATTEMPTS", usual.attempts, "a number"),
        attempt_limit: millis(reader, "MANYDESK_MAIL_ATTEMPT_LIMIT_MS", usual.attempt_limit),
        smtp_listen: address(reader, "MANYDESK_SMTP_LISTEN"),
        lmtp_listen: address(reader, "MANYDESK_LMTP_LISTEN"),
        public_url: String::new(),
        notices: notices(reader),
    };
    if !settings.hello.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.[]:".contains(&b)) {
        reader.wrong("MANYDESK_MAIL_HELLO", "must be a host name");
    }
    if !(1..=100).contains(&settings.attempts) {
        reader.wrong("MANYDESK_MAIL_ATTEMPTS", "must be 1 to 100");
    }
    if !(1_000..=1_800_000).contains(&settings.attempt_limit.as_millis()) {
        reader.wrong("MANYDESK_MAIL_ATTEMPT_LIMIT_MS", "must be 1000 to 1800000");
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_for_notices_is_a_url_whose_password_stays_unsaid() {
        let read = |url: &str, from: &str| {
            let (url, from) = (url.to_owned(), from.to_owned());
            Config::read(&move |name: &str| match name {
                "MANYDESK_DATA" => Some("/tmp/x".to_owned()),
                "MANYDESK_NOTICE_SMTP_URL" => Some(url.clone()).filter(|url| !url.is_empty()),
                "MANYDESK_NOTICE_FROM" => Some(from.clone()).filter(|from| !from.is_empty()),
                _ => None,
            })
        };
        let notices = |url: &str| read(url, "alerts@center.example").ok()?.mail.notices;
        let of = notices("smtps://alerts%40center.example:pa%3Ass@mail.center.example").expect("a server");
        assert_eq!(
            (of.host.as_str(), of.port, of.security),
            ("mail.center.example", 465, tickets::mail::Security::Tls)
        );
        assert_eq!((of.user.as_str(), of.password.as_str()), ("alerts@center.example", "pa:ss"));
        assert!(!format!("{of:?}").contains("pa:ss"));
        let of = notices("smtp+plain://127.0.0.1:2525/").expect("a server");
        assert_eq!((of.port, of.user.as_str(), of.security), (2525, "", tickets::mail::Security::None));
        assert_eq!(notices("smtp://mail.center.example").map(|of| of.port), Some(587));
        for url in ["mail.center.example", "http://mail.center.example", "smtp://", "smtp://a:s3cret@mail/x?y=1"] {
            let wrong = read(url, "alerts@center.example").expect_err(url);
            assert_eq!(wrong[0].variable, "MANYDESK_NOTICE_SMTP_URL");
            assert!(!format!("{wrong:?}").contains("s3cret"));
        }
        for (url, from) in
            [("smtp://mail", ""), ("", "alerts@center.example"), ("smtp://mail", "a b@c"), ("smtp://mail", "a")]
        {
            assert!(read(url, from).is_err(), "{url} {from}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once_and_before_anything_starts() {
        let vars = |name: &str| match name {
            "MANYDESK_LISTEN" => Some("somewhere".to_owned()),
            "MANYDESK_LOG_FORMAT" => Some("xml".to_owned()),
            "MANYDESK_CONNECTIONS" => Some("0".to_owned()),
            "MANYDESK_DATA" => Some("/tmp/x".to_owned()),
            "MANYDESK_NATS_URL" => Some("nats://somebody:secret@".to_owned()),
            "MANYDESK_NATS_REPLICAS" => Some("9".to_owned()),
            _ => None,
        };
        let wrong = Config::read(&vars).expect_err("five variables are wrong");
        let names: Vec<_> = wrong.iter().map(|w| w.variable).collect();
        let expected = [
            "MANYDESK_LISTEN",
            "MANYDESK_LOG_FORMAT",
            "MANYDESK_NATS_URL",
            "MANYDESK_NATS_REPLICAS",
            "MANYDESK_CONNECTIONS",
        ];
        assert_eq!(names, expected);
        assert!(wrong.iter().all(|w| !w.problem.contains("secret")), "{wrong:?}");
    }

    #[test]
    fn a_certificate_is_tried_before_anything_starts() {
        for (certificate, key, told) in [
            (Some("/nonexistent/tls.crt"), Some("/nonexistent/tls.key"), "/nonexistent/tls.crt cannot be read"),
            (Some("/nonexistent/tls.crt"), None, "together"),
            (None, Some("/nonexistent/tls.key"), "together"),
        ] {
            let vars = |name: &str| match name {
                "MANYDESK_EDGE_CERT_FILE" => certificate.map(str::to_owned),
                "MANYDESK_EDGE_KEY_FILE" => key.map(str::to_owned),
                _ => None,
            };
            let wrong = Config::read(&vars).expect_err("it cannot be used");
            assert!(wrong.iter().any(|w| w.problem.contains(told)), "{wrong:?}");
        }
    }
}
