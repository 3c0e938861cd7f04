//! What is said at the port where mail is handed in: SMTP (RFC 5321) and LMTP (RFC 2033), as far as
//! somebody who only receives needs it. No I/O: lines go in, answers come out.
//!
//! Only CR LF . CR LF ends a mail, and a line ends with CR LF and nothing else. A mail with a bare CR or LF
//! is refused whole: two servers that read such a mail differently let a third one write between them.

/// Longest command, in bytes with its end.
pub const COMMAND_LIMIT: usize = 2_048;
/// Largest mail, in bytes.
pub const MAIL_LIMIT: usize = 24 * 1024 * 1024;
/// Longest line of a mail, in bytes.
pub const LINE_LIMIT: usize = 256 * 1024;
/// Recipients of one mail.
pub const RECIPIENTS_LIMIT: usize = 20;
/// Refusals after which nobody is talked to any more.
pub const REFUSALS_LIMIT: usize = 20;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    Lmtp,
}

/// What a command leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// An answer, without the end of its line.
    Say(String),
    /// Whether somebody of this address is here is to be found out; then [`Session::found`] or
    /// [`Session::not_found`].
    Find(String),
    /// The mail may come; then [`Session::ended`].
    Take,
    /// An answer, and the end.
    Leave(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Greeted,
    Mail,
}

/// One conversation. `R` is what is known of a recipient.
pub struct Session<R> {
    protocol: Protocol,
    host: String,
    state: State,
    sender: String,
    recipients: Vec<R>,
    refusals: usize,
}

/// A mail that may come: its sender and its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<R> {
    /// Empty for none.
    pub sender: String,
    pub recipients: Vec<R>,
}

impl<R> Session<R> {
    pub fn new(protocol: Protocol, host: &str) -> Session<R> {
        Session {
            protocol,
            host: host.to_owned(),
            state: State::New,
            sender: String::new(),
            recipients: Vec::new(),
            refusals: 0,
        }
    }

    pub fn greeting(&self) -> String {
        match self.protocol {
            Protocol::Smtp => format!("220 {} ESMTP", self.host),
            Protocol::Lmtp => format!("220 {} LMTP", self.host),
        }
    }

    /// A command without the end of its line.
    pub fn command(&mut self, line: &[u8]) -> Act {
        let Ok(line) = std::str::from_utf8(line) else { return self.refuse("500 5.5.2 not understood") };
        if line.chars().any(char::is_control) {
            return self.refuse("500 5.5.2 not understood");
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (verb.to_ascii_uppercase().as_str(), self.protocol) {
            ("EHLO", Protocol::Smtp) | ("LHLO", Protocol::Lmtp) => self.hello(rest, true),
            ("HELO", Protocol::Smtp) => self.hello(rest, false),
            ("EHLO" | "HELO", Protocol::Lmtp) | ("LHLO", Protocol::Smtp) => {
                self.refuse("500 5.5.1 another protocol is spoken here")
            }
            ("MAIL", _) => self.mail(rest),
            ("RCPT", _) => self.rcpt(rest),
            ("DATA", _) => self.data(rest),
            ("RSET", _) => {
                self.forget();
                Act::Say("250 2.0.0 forgotten".into())
            }
            ("NOOP", _) => Act::Say("250 2.0.0 yes".into()),
            ("VRFY", _) => Act::Say("252 2.1.5 hand it in and see".into()),
            ("QUIT", _) => Act::Leave("221 2.0.0 farewell".into()),
            _ => self.refuse("500 5.5.1 not known"),
        }
    }

    fn hello(&mut self, name: &str, extended: bool) -> Act {
        if name.trim().is_empty() {
            return self.refuse("501 5.5.4 say who you are");
        }
        self.forget();
        self.state = State::Greeted;
        let host = &self.host;
        Act::Say(match extended {
            true => format!(
                "250-{host}\r\n250-PIPELINING\r\n250-SIZE {MAIL_LIMIT}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES"
            ),
            false => format!("250 {host}"),
        })
    }

    fn mail(&mut self, rest: &str) -> Act {
        if self.state != State::Greeted {
            return self.refuse("503 5.5.1 not now");
        }
        let Some((sender, parameters)) = path(rest, "FROM:") else {
            return self.refuse("501 5.1.7 not a sender");
        };
        for parameter in parameters.split_ascii_whitespace() {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name.to_ascii_uppercase().as_str() {
                "SIZE" => match value.parse::<usize>() {
                    Ok(size) if size <= MAIL_LIMIT => {}
                    Ok(_) => return self.refuse("552 5.3.4 too large"),
                    Err(_) if value.len() <= 20 && !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                        return self.refuse("552 5.3.4 too large");
                    }
                    Err(_) => return self.refuse("501 5.5.4 not a size"),
                },
                "BODY" if value.eq_ignore_ascii_case("7BIT") || value.eq_ignore_ascii_case("8BITMIME") => {}
                "SMTPUTF8" if value.is_empty() => {}
                _ => return self.refuse("555 5.5.4 not known"),
            }
        }
        self.sender = sender.to_owned();
        self.state = State::Mail;
        Act::Say("250 2.1.0 go on".into())
    }

    fn rcpt(&mut self, rest: &str) -> Act {
        if self.state != State::Mail {
            return self.refuse("503 5.5.1 not now");
        }
        if RECIPIENTS_LIMIT <= self.recipients.len() {
            return self.refuse("452 4.5.3 too many at once");
        }
        match path(rest, "TO:") {
            Some((address, "")) if address.contains('@') => Act::Find(address.to_owned()),
            Some((_, parameters)) if !parameters.is_empty() => self.refuse("555 5.5.4 not known"),
            _ => self.refuse("501 5.1.3 not a recipient"),
        }
    }

    fn data(&mut self, rest: &str) -> Act {
        match (self.state, self.recipients.is_empty(), rest.trim().is_empty()) {
            (State::Mail, false, true) => Act::Take,
            (State::Mail, true, _) => self.refuse("554 5.5.1 nobody to give it to"),
            (_, _, false) => self.refuse("501 5.5.4 nothing follows here"),
            _ => self.refuse("503 5.5.1 not now"),
        }
    }

    /// Somebody of the address asked for is here.
    pub fn found(&mut self, recipient: R) -> String {
        self.recipients.push(recipient);
        "250 2.1.5 go on".into()
    }

    /// Nobody of that address is here.
    pub fn not_found(&mut self) -> String {
        self.refusals += 1;
        "550 5.1.1 nobody of that name is here".into()
    }

    /// The mail has come; its envelope. What follows is another one.
    pub fn ended(&mut self) -> Envelope<R> {
        let envelope =
            Envelope { sender: std::mem::take(&mut self.sender), recipients: std::mem::take(&mut self.recipients) };
        self.forget();
        envelope
    }

    /// Whether somebody is refused so often that it is no mistake.
    pub fn is_hopeless(&self) -> bool {
        REFUSALS_LIMIT <= self.refusals
    }

    fn forget(&mut self) {
        self.sender.clear();
        self.recipients.clear();
        if self.state == State::Mail {
            self.state = State::Greeted;
        }
    }

    fn refuse(&mut self, answer: &str) -> Act {
        self.refusals += 1;
        Act::Say(answer.to_owned())
    }
}

/// `FROM:<a@b> SIZE=1`: what stands in the brackets, and what follows.
fn path<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let head = text.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word))?;
    let rest = text[head.len()..].trim_start().strip_prefix('<')?;
    let (address, parameters) = rest.split_once('>')?;
    let odd = 320 < address.len() || address.contains(|c: char| c.is_whitespace() || c == '<');
    let apart = parameters.is_empty() || parameters.starts_with(' ');
    // A route before the address is not followed.
    let address = address.rsplit_once(':').map_or(address, |(_, last)| last);
    (!odd && apart).then(|| (address, parameters.trim()))
}

/// Why a mail is refused whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    TooLarge,
    LineTooLong,
    /// A CR or LF that stands alone.
    BareEnd,
}

impl Bad {
    pub fn answer(self) -> &'static str {
        match self {
            Bad::TooLarge => "552 5.3.4 too large",
            Bad::LineTooLong => "500 5.6.0 a line is too long",
            Bad::BareEnd => "550 5.6.11 a line ends with CR LF and nothing else",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    /// A dot that begins a line.
    Dot,
    DotCr,
    Text,
    Cr,
}

/// A mail that comes in pieces.
pub struct Content {
    bytes: Vec<u8>,
    at: At,
    line: usize,
    limit: usize,
    bad: Option<Bad>,
}

impl Content {
    pub fn new(limit: usize) -> Content {
        Content { bytes: Vec::new(), at: At::LineStart, line: 0, limit, bad: None }
    }

    /// Takes a piece; how much of it belongs to the mail, once its end is in it.
    pub fn push(&mut self, piece: &[u8]) -> Option<usize> {
        for (place, byte) in piece.iter().enumerate() {
            if self.byte(*byte) {
                return Some(place + 1);
            }
        }
        None
    }

    /// The mail, or why it is refused.
    pub fn finish(self) -> Result<Vec<u8>, Bad> {
        self.bad.map_or(Ok(self.bytes), Err)
    }

    fn byte(&mut self, byte: u8) -> bool {
        self.at = match (self.at, byte) {
            (At::LineStart, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotCr,
            (At::DotCr, b'\n') => return true,
            (At::DotCr, _) => {
                self.refuse(Bad::BareEnd);
                if byte == b'\r' { At::Cr } else { At::Text }
            }
            (At::Cr, b'\n') => {
                self.keep(b"\r\n");
                self.line = 0;
                At::LineStart
            }
            (At::Cr, b'\r') => {
                self.refuse(Bad::BareEnd);
                At::Cr
            }
            (At::LineStart | At::Text, b'\r') => At::Cr,
            (_, b'\n') => {
                self.refuse(Bad::BareEnd);
                At::Text
            }
            (at, _) => {
                if at == At::Cr {
                    self.refuse(Bad::BareEnd);
                }
                self.line += 1;
                if LINE_LIMIT < self.line {
                    self.refuse(Bad::LineTooLong);
                }
                self.keep(&[byte]);
                At::Text
            }
        };
        false
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.bad.is_some() {
            return;
        }
        if self.limit < self.bytes.len() + bytes.len() {
            self.refuse(Bad::TooLarge);
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The first fault counts; what was kept is let go.
    fn refuse(&mut self, bad: Bad) {
        if self.bad.is_none() {
            self.bad = Some(bad);
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn say(session: &mut Session<u8>, line: &str) -> String {
        match session.command(line.as_bytes()) {
            Act::Say(answer) | Act::Leave(answer) => answer,
            Act::Find(address) if address.starts_with("here") => session.found(1),
            Act::Find(_) => session.not_found(),
            Act::Take => "354".into(),
        }
    }

    #[test]
    fn a_conversation_goes_its_way_and_no_other() {
        let mut session = Session::<u8>::new(Protocol::Smtp, "desk");
        assert_eq!(session.greeting(), "220 desk ESMTP");
        for (line, answer) in [
            ("MAIL FROM:<a@b>", "503"),
            ("LHLO x", "500"),
            ("EHLO", "501"),
            ("EHLO x", "250-desk"),
            ("RCPT TO:<here@x>", "503"),
            ("DATA", "503"),
            ("MAIL FROM:a@b", "501"),
            ("MAIL FROM:<a@b> SIZE=999999999", "552"),
            ("MAIL FROM:<a@b> SIZE=99999999999999999999", "552"),
            ("MAIL FROM:<a@b> AUTH=<>", "555"),
            ("mail from:<a@b> size=10 body=8bitmime", "250"),
            ("MAIL FROM:<a@b>", "503"),
            ("DATA", "554"),
            ("RCPT TO:<gone@x>", "550"),
            ("RCPT TO:<here>", "501"),
            ("RCPT TO:<@relay:here@x>", "250"),
            ("DATA", "354"),
        ] {
            assert!(say(&mut session, line).starts_with(answer), "{line}");
        }
        assert_eq!(session.ended(), Envelope { sender: "a@b".into(), recipients: vec![1] });
        assert!(say(&mut session, "DATA").starts_with("503"), "the envelope is gone");
        assert!(say(&mut session, "MAIL FROM:<>").starts_with("250"));
        assert!(say(&mut session, "RSET").starts_with("250"));
        assert!(say(&mut session, "RCPT TO:<here@x>").starts_with("503"));
        assert!(say(&mut session, "QUIT").starts_with("221"));
        assert_eq!(session.command(b"NOOP \xff"), Act::Say("500 5.5.2 not understood".into()));
    }

    #[test]
    fn there_is_an_end_to_recipients_and_to_refusals() {
        let mut session = Session::<u8>::new(Protocol::Lmtp, "desk");
        assert!(say(&mut session, "LHLO x").starts_with("250-"));
        assert!(say(&mut session, "MAIL FROM:<>").starts_with("250"));
        for _ in 0..RECIPIENTS_LIMIT {
            assert!(say(&mut session, "RCPT TO:<here@x>").starts_with("250"));
        }
        assert!(say(&mut session, "RCPT TO:<here@x>").starts_with("452"));
        for _ in 0..REFUSALS_LIMIT {
            say(&mut session, "RCPT TO:<gone@x>");
        }
        assert!(session.is_hopeless());
    }

    fn read(wire: &[u8]) -> Option<(Result<Vec<u8>, Bad>, usize)> {
        let mut content = Content::new(1_000);
        let used = content.push(wire)?;
        Some((content.finish(), used))
    }

    #[test]
    fn only_cr_lf_dot_cr_lf_ends_a_mail() {
        assert_eq!(read(b".\r\nQUIT"), Some((Ok(vec![]), 3)));
        assert_eq!(read(b"a\r\n..b\r\n.c\r\n.\r\nNOOP"), Some((Ok(b"a\r\n.b\r\nc\r\n".to_vec()), 15)));
        for smuggled in [
            &b"a\n.\nMAIL FROM:<x@y>\r\n.\r\n"[..],
            b"a\n.\r\nMAIL FROM:<x@y>\r\n.\r\n",
            b"a\r\n.\nMAIL FROM:<x@y>\r\n.\r\n",
            b"a\r.\rMAIL FROM:<x@y>\r\n.\r\n",
            b"a\r\n.\rMAIL FROM:<x@y>\r\n.\r\n",
            b"a\r.\r\nMAIL FROM:<x@y>\r\n.\r\n",
        ] {
            assert_eq!(read(smuggled), Some((Err(Bad::BareEnd), smuggled.len())), "{}", smuggled.escape_ascii());
        }
        assert_eq!(read(b"a\r\n.\r"), None);
        let long = [&[b'x'; 2_000][..], b"\r\n.\r\n"].concat();
        assert_eq!(read(&long), Some((Err(Bad::TooLarge), long.len())));
    }

    /// A mail as a client sends it.
    fn wire(lines: &[String]) -> (Vec<u8>, Vec<u8>) {
        let mail: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let sent: String = lines
            .iter()
            .map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") })
            .collect();
        (mail.into_bytes(), format!("{sent}.\r\n").into_bytes())
    }

    proptest! {
        #[test]
        fn a_mail_comes_out_as_it_went_in_however_it_was_cut(
            lines in proptest::collection::vec("[.a ]{0,6}", 0..8),
            cuts in proptest::collection::vec(0..40_usize, 0..6),
        ) {
            let (mail, mut sent) = wire(&lines);
            let end = sent.len();
            sent.extend_from_slice(b"MAIL FROM:<next@x>\r\n");
            let mut content = Content::new(10_000);
            let (mut rest, mut used, mut cuts) = (&sent[..], 0, cuts.into_iter());
            loop {
                let (piece, behind) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
                if let Some(place) = content.push(piece) {
                    used += place;
                    break;
                }
                used += piece.len();
                rest = behind;
            }
            prop_assert_eq!(used, end);
            prop_assert_eq!(content.finish(), Ok(mail));
        }

        /// Whatever comes: what is kept holds no bare end, and its end is where the five bytes are.
        #[test]
        fn nothing_else_ends_a_mail(wire in proptest::collection::vec(proptest::sample::select(b"\r\n.a".to_vec()), 0..60)) {
            let framed = [b"\r\n", &wire[..]].concat();
            let end = framed.windows(5).position(|five| five == b"\r\n.\r\n").map(|place| place + 3);
            let mut content = Content::new(10_000);
            prop_assert_eq!(content.push(&wire), end);
            if let (Some(_), Ok(mail)) = (end, content.finish()) {
                let text = String::from_utf8(mail).unwrap().replace("\r\n", "");
                prop_assert!(!text.contains(['\r', '\n']));
            }
        }
    }
}
