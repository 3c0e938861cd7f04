//! What the customers of the demo write, and what they are answered. All of it
//! is invented.

/// Where a letter arrives: channel and address of the seller's account.
pub(super) type Account = (&'static str, &'static str);

/// The accounts that customers write to.
const MAIL: Account = ("email", "servizio@masque-noir.example");
const AMAZON_IT: Account = ("marketplace", "masque-noir-it");
const AMAZON_DE: Account = ("marketplace", "masque-noir-de");
const HILFE: Account = ("email", "hilfe@bergkind.example");
const BERG_AMAZON: Account = ("marketplace", "bergkind-de");

const MASQUE: &str = "masque-noir";
const BERG: &str = "bergkind";

/// A matter of the past that was answered.
pub(super) struct Past {
    pub seller: &'static str,
    pub account: Account,
    /// Address and name.
    pub from: (&'static str, &'static str),
    pub subject: &'static str,
    pub text: &'static str,
    pub answer: &'static str,
    /// Hours since the customer wrote.
    pub hours_ago: i64,
    /// Minutes the customer waited for the answer.
    pub waited_minutes: i64,
}

/// A matter of today.
pub(super) struct Today {
    pub seller: &'static str,
    pub account: Account,
    /// Address and name.
    pub from: (&'static str, &'static str),
    pub subject: &'static str,
    pub text: &'static str,
    /// What an agent answers who comes to it.
    pub answer: &'static str,
}

/// What came in before, over the last six weeks.
pub(super) const PAST: &[Past] = &[
    Past {
        seller: MASQUE,
        account: MAIL,
        from: ("anna.rossi@posta.example", "Anna Rossi"),
        subject: "Il mio ordine non è arrivato",
        text: "Buongiorno, ho ordinato la maschera all'argilla dieci giorni fa e il pacco non è ancora arrivato. Potete verificare la spedizione?",
        answer: "Gentile Anna, il corriere ha avuto un ritardo a Bologna. Il pacco le sarà consegnato giovedì. Ci scusiamo per l'attesa.",
        hours_ago: 52,
        waited_minutes: 95,
    },
    Past {
        seller: MASQUE,
        account: MAIL,
        from: ("c.moreau@courrier.example", "Camille Moreau"),
        subject: "Flacon cassé à la livraison",
        text: "Bonjour, le flacon de sérum est arrivé cassé et tout le contenu s'est répandu dans le colis. Que dois-je faire pour être remboursée ?",
        answer: "Bonjour Camille, nous sommes désolés. Un nouveau flacon part aujourd'hui, vous n'avez rien à renvoyer.",
        hours_ago: 75,
        waited_minutes: 210,
    },
    Past {
        seller: MASQUE,
        account: AMAZON_DE,
        from: ("kunde-4711", "Petra Lang"),
        subject: "Inhaltsstoffe der Nachtmaske",
        text: "Guten Tag, ist in der Nachtmaske Parfum enthalten? Meine Haut reagiert sehr empfindlich auf Duftstoffe.",
        answer: "Guten Tag Frau Lang, die Nachtmaske enthält kein Parfum und ist dermatologisch getestet. Freundliche Grüße, Ihr Team von Masque Noir",
        hours_ago: 100,
        waited_minutes: 340,
    },
    Past {
        seller: MASQUE,
        account: AMAZON_IT,
        from: ("cliente-2210", "Marco Gallo"),
        subject: "Reso prodotto",
        text: "Salve, vorrei restituire la crema perché non è adatta alla mia pelle. Come funziona il reso e chi paga la spedizione?",
        answer: "Gentile Marco, le abbiamo inviato l'etichetta di reso gratuita. Il rimborso arriva entro cinque giorni dal ricevimento.",
        hours_ago: 150,
        waited_minutes: 900,
    },
    Past {
        seller: MASQUE,
        account: MAIL,
        from: ("giorgia@posta.example", "Giorgia Neri"),
        subject: "Fattura mancante",
        text: "Buonasera, mi serve la fattura del mio ultimo ordine intestata alla mia azienda. Potete inviarmela per favore?",
        answer: "Gentile Giorgia, la fattura è in allegato alla mail separata appena inviata. Cordiali saluti, il team Masque Noir",
        hours_ago: 200,
        waited_minutes: 45,
    },
    Past {
        seller: MASQUE,
        account: MAIL,
        from: ("jul.bernard@courrier.example", "Julien Bernard"),
        subject: "Délai de livraison pour la Corse",
        text: "Bonjour, livrez-vous en Corse et combien de temps faut-il compter pour recevoir une commande passée aujourd'hui ?",
        answer: "Bonjour Julien, oui, comptez quatre à cinq jours ouvrés pour la Corse. Bien cordialement, l'équipe Masque Noir",
        hours_ago: 290,
        waited_minutes: 1_700,
    },
    Past {
        seller: MASQUE,
        account: MAIL,
        from: ("s.ricci@posta.example", "Sara Ricci"),
        subject: "Codice sconto",
        text: "Ciao, il codice sconto che ho ricevuto nella newsletter non funziona quando arrivo al pagamento. Mi potete aiutare?",
        answer: "Gentile Sara, il codice è di nuovo attivo fino a domenica. Può ripetere l'ordine quando vuole.",
        hours_ago: 410,
        waited_minutes: 120,
    },
    Past {
        seller: MASQUE,
        account: AMAZON_IT,
        from: ("cliente-2301", "Paolo Greco"),
        subject: "Prodotto sbagliato",
        text: "Buongiorno, nel pacco ho trovato la maschera idratante al posto di quella purificante. Vorrei ricevere il prodotto giusto.",
        answer: "Gentile Paolo, il prodotto giusto parte oggi stesso; tenga pure l'altro come scusa per il disagio.",
        hours_ago: 830,
        waited_minutes: 260,
    },
    Past {
        seller: MASQUE,
        account: MAIL,
        from: ("lea.dubois@courrier.example", "Léa Dubois"),
        subject: "Peau sensible",
        text: "Bonjour, votre masque au charbon convient-il à une peau très sensible avec de la couperose ? Merci pour vos conseils.",
        answer: "Bonjour Léa, pour la couperose nous conseillons plutôt le masque à l'avoine, testé dermatologiquement.",
        hours_ago: 860,
        waited_minutes: 75,
    },
    Past {
        seller: MASQUE,
        account: MAIL,
        from: ("elena@posta.example", "Elena Fontana"),
        subject: "Cambio indirizzo",
        text: "Salve, ho inserito l'indirizzo sbagliato nell'ordine di ieri sera. È ancora possibile cambiarlo prima della spedizione?",
        answer: "Gentile Elena, l'indirizzo è corretto adesso: il pacco parte domani mattina.",
        hours_ago: 930,
        waited_minutes: 30,
    },
    Past {
        seller: BERG,
        account: HILFE,
        from: ("familie.maier@post.example", "Steffi Maier"),
        subject: "Regenhose zu klein",
        text: "Hallo, die Regenhose in Größe 104 ist leider zu klein. Kann ich sie gegen Größe 110 umtauschen, und was kostet das?",
        answer: "Servus Steffi, der Umtausch kostet dich nichts: der Rücksendeschein ist schon unterwegs, und Größe 110 geht heute raus.",
        hours_ago: 49,
        waited_minutes: 150,
    },
    Past {
        seller: BERG,
        account: BERG_AMAZON,
        from: ("kaeufer-815", "Tobias Frank"),
        subject: "Wann kommt mein Paket?",
        text: "Guten Tag, meine Bestellung sollte gestern ankommen, aber die Sendungsverfolgung zeigt seit drei Tagen nichts Neues an.",
        answer: "Servus Tobias, dein Paket lag in Augsburg fest und kommt morgen. Entschuldige bitte die Verspätung.",
        hours_ago: 98,
        waited_minutes: 500,
    },
    Past {
        seller: BERG,
        account: HILFE,
        from: ("oma.gerda@post.example", "Gerda Schulz"),
        subject: "Geschenkverpackung",
        text: "Guten Tag, ich möchte meinem Enkel die blaue Jacke schenken. Können Sie das Paket als Geschenk verpacken und eine Karte beilegen?",
        answer: "Servus Gerda, das machen wir gern und ohne Aufpreis. Schreib uns einfach den Text für die Karte.",
        hours_ago: 170,
        waited_minutes: 60,
    },
    Past {
        seller: BERG,
        account: HILFE,
        from: ("jan.p@post.example", "Jan Peters"),
        subject: "Reißverschluss kaputt",
        text: "Hallo zusammen, nach zwei Monaten ist der Reißverschluss der Fleecejacke kaputt. Ist das ein Garantiefall oder muss ich ihn selbst reparieren lassen?",
        answer: "Servus Jan, das ist natürlich Garantie. Schick uns die Jacke mit dem Schein im Anhang, wir reparieren sie in einer Woche.",
        hours_ago: 330,
        waited_minutes: 2_900,
    },
    Past {
        seller: BERG,
        account: BERG_AMAZON,
        from: ("kaeufer-902", "Miriam Vogt"),
        subject: "Größentabelle",
        text: "Hallo, meine Tochter ist 118 cm groß und sehr schmal. Welche Größe soll ich bei den Wanderhosen bestellen?",
        answer: "Servus Miriam, nimm die 116: die Hosen sind am Bund verstellbar und fallen lang aus.",
        hours_ago: 800,
        waited_minutes: 220,
    },
    Past {
        seller: BERG,
        account: HILFE,
        from: ("k.brandt@post.example", "Kai Brandt"),
        subject: "Rückerstattung fehlt noch",
        text: "Guten Tag, ich habe die Mütze vor zwei Wochen zurückgeschickt und das Geld ist noch nicht auf meinem Konto. Bitte prüfen Sie das.",
        answer: "Servus Kai, die Rückzahlung ist heute rausgegangen und in zwei Tagen auf deinem Konto. Danke für deine Geduld.",
        hours_ago: 880,
        waited_minutes: 110,
    },
    Past {
        seller: BERG,
        account: HILFE,
        from: ("emma.walker@mail.example", "Emma Walker"),
        subject: "Delivery to Munich",
        text: "Hello, we are moving to Munich next month and would like to order two rain jackets now. Could you deliver them in three weeks instead of this week?",
        answer: "Hello Emma, of course: we have put your order on hold and it will leave on the Monday of your choice.",
        hours_ago: 960,
        waited_minutes: 180,
    },
];

/// What comes in today.
pub(super) const TODAY: &[Today] = &[
    Today {
        seller: MASQUE,
        account: MAIL,
        from: ("lucia@posta.example", "Lucia Marini"),
        subject: "Dov'è il mio pacco?",
        text: "Buongiorno, il mio ordine risulta consegnato ma io non ho ricevuto niente. Potete controllare con il corriere? Grazie, Lucia",
        answer: "Gentile Lucia, il corriere ha lasciato il pacco dal vicino al secondo piano. Ci faccia sapere se non lo trova.",
    },
    Today {
        seller: MASQUE,
        account: MAIL,
        from: ("chloe@courrier.example", "Chloé Garnier"),
        subject: "Annuler ma commande",
        text: "Bonjour, j'ai passé deux fois la même commande par erreur ce matin. Pouvez-vous annuler la deuxième avant l'expédition ? Merci.",
        answer: "Bonjour Chloé, la deuxième commande est annulée et vous serez remboursée sous trois jours. Bien cordialement.",
    },
    Today {
        seller: MASQUE,
        account: AMAZON_DE,
        from: ("kunde-5120", "Heike Braun"),
        subject: "Maske ausgelaufen",
        text: "Guten Tag, die Tube ist im Paket ausgelaufen und die Hälfte fehlt. Ich hätte gern Ersatz oder mein Geld zurück.",
        answer: "Guten Tag Frau Braun, das tut uns leid: eine neue Tube ist heute auf dem Weg zu Ihnen, ohne Kosten.",
    },
    Today {
        seller: MASQUE,
        account: AMAZON_IT,
        from: ("cliente-2718", "Davide Serra"),
        subject: "Domanda sulla maschera notte",
        text: "Salve, posso usare la maschera notte tutti i giorni oppure è meglio due volte alla settimana? Ho la pelle molto secca.",
        answer: "Gentile Davide, con la pelle secca può usarla tutte le sere per due settimane, poi due volte alla settimana.",
    },
    Today {
        seller: BERG,
        account: HILFE,
        from: ("nina.k@post.example", "Nina Krüger"),
        subject: "Falsche Farbe geliefert",
        text: "Hallo, ich habe die gelbe Regenjacke bestellt und die rote bekommen. Könnt ihr mir bitte die gelbe schicken? Mein Sohn ist traurig.",
        answer: "Servus Nina, die gelbe ist schon unterwegs; behalt die rote einfach für Regentage im Kindergarten.",
    },
    Today {
        seller: BERG,
        account: BERG_AMAZON,
        from: ("kaeufer-1204", "Oliver Hahn"),
        subject: "Lieferung bis Freitag möglich?",
        text: "Guten Tag, wir fahren am Samstag in die Berge. Kommt die Bestellung von heute sicher noch bis Freitag an?",
        answer: "Servus Oliver, ja: wenn du bis 14 Uhr bestellst, ist das Paket am Donnerstag bei dir. Schöne Tour!",
    },
    Today {
        seller: MASQUE,
        account: MAIL,
        from: ("franca@posta.example", "Franca Leone"),
        subject: "Allergia",
        text: "Buonasera, dopo aver usato la crema mi è venuto un forte rossore sul viso. Quali ingredienti contiene e che cosa mi consigliate di fare?",
        answer: "Gentile Franca, sospenda subito l'uso. Le mandiamo l'elenco completo degli ingredienti e il rimborso; per il rossore senta il suo medico.",
    },
    Today {
        seller: MASQUE,
        account: MAIL,
        from: ("stefano@posta.example", "Stefano Villa"),
        subject: "Ordine bloccato",
        text: "Buongiorno, da tre giorni il mio ordine è in lavorazione e non viene spedito. C'è un problema con il pagamento?",
        answer: "Gentile Stefano, il pagamento è a posto: mancava un prodotto in magazzino e il pacco parte oggi.",
    },
    Today {
        seller: MASQUE,
        account: MAIL,
        from: ("hugo@courrier.example", "Hugo Lambert"),
        subject: "Colis perdu",
        text: "Bonjour, le transporteur me dit que le colis est perdu. Pouvez-vous me renvoyer la commande le plus vite possible ? C'est un cadeau.",
        answer: "Bonjour Hugo, un nouveau colis part aujourd'hui en express et arrivera demain. Bien cordialement, l'équipe Masque Noir",
    },
    Today {
        seller: MASQUE,
        account: AMAZON_IT,
        from: ("cliente-2720", "Irene Costa"),
        subject: "Scadenza del prodotto",
        text: "Salve, sulla confezione non trovo la data di scadenza. Per quanto tempo posso usare la maschera dopo l'apertura?",
        answer: "Gentile Irene, dopo l'apertura la maschera dura dodici mesi; la data è stampata sul fondo del vasetto.",
    },
    Today {
        seller: MASQUE,
        account: AMAZON_DE,
        from: ("kunde-5133", "Uwe Schmitt"),
        subject: "Rechnung mit Firmenadresse",
        text: "Guten Tag, ich brauche für meine Bestellung eine Rechnung mit der Adresse meiner Firma. Können Sie mir diese bitte schicken?",
        answer: "Guten Tag Herr Schmitt, die Rechnung mit Ihrer Firmenadresse ist gerade an Sie unterwegs.",
    },
    Today {
        seller: BERG,
        account: HILFE,
        from: ("lena.wolf@post.example", "Lena Wolf"),
        subject: "Schuhe drücken",
        text: "Hallo, die Wanderschuhe drücken an den Zehen, obwohl die Größe stimmt. Kann ich sie zurückgeben, auch wenn wir sie einmal draußen getragen haben?",
        answer: "Servus Lena, na klar: einmal draußen getragen ist kein Problem. Der Rücksendeschein ist in deinem Postfach.",
    },
    Today {
        seller: BERG,
        account: HILFE,
        from: ("thomas.reed@mail.example", "Thomas Reed"),
        subject: "Washing the down jacket",
        text: "Hello, could you please tell me how to wash the down jacket for children? The label says thirty degrees, but I am afraid of ruining it.",
        answer: "Hello Thomas, thirty degrees with a little down detergent, then tumble dry on low with two tennis balls. It will be as good as new.",
    },
    Today {
        seller: BERG,
        account: BERG_AMAZON,
        from: ("kaeufer-1207", "Sabine Lorenz"),
        subject: "Gutschein einlösen",
        text: "Guten Tag, ich habe einen Gutschein zum Geburtstag bekommen und finde im Warenkorb kein Feld dafür. Wo kann ich ihn eingeben?",
        answer: "Servus Sabine, das Feld erscheint im letzten Schritt unter der Lieferadresse. Wenn es hakt, lösen wir ihn gern für dich ein.",
    },
];
