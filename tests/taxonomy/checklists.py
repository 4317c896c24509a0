"""Small taxonomies written in the form of their publishers: NCBI, Darwin Core, CoLDP, Clements."""

import csv
import gzip
import io
import tarfile
import zipfile

# id, parent, rank, scientific name; the birds and the plants both have a genus Prunella
NODES = [
    (1, 1, "no rank", "root"), (2759, 1, "superkingdom", "Eukaryota"), (33208, 2759, "kingdom", "Metazoa"),
    (33090, 2759, "kingdom", "Viridiplantae"), (8782, 33208, "class", "Aves"), (9126, 8782, "order", "Passeriformes"),
    (9153, 9126, "family", "Paridae"), (9156, 9153, "genus", "Parus"), (9157, 9156, "species", "Parus major"),
    (99490, 9153, "genus", "Cyanistes"), (156563, 99490, "species", "Cyanistes caeruleus"),
    (48154, 9126, "family", "Prunellidae"), (48155, 48154, "genus", "Prunella"),
    (670355, 48155, "species", "Prunella modularis"), (4143, 33090, "order", "Lamiales"),
    (4136, 4143, "family", "Lamiaceae"), (39349, 4136, "genus", "Prunella"),
    (39358, 39349, "species", "Prunella vulgaris"), (30449, 9126, "genus", "Hyliota"),
    (266360, 30449, "species", "Hyliota flavigaster"), (3502, 33090, "order", "Fagales"),
    (3503, 3502, "family", "Fagaceae"), (3511, 3503, "genus", "Quercus"), (97700, 3511, "species", "Quercus x rosacea"),
]  # fmt: skip
OTHERS = [
    (156563, "Parus caeruleus", "synonym"), (156563, "blue tit", "genbank common name"),
    (9157, "Great Tit", "common name"), (9157, "Parus major Linnaeus, 1758", "authority"),
    (9157, "Parus communis", "in-part"), (156563, "Parus communis", "in-part"),
]  # fmt: skip


def row(*cells):
    """Return a row as NCBI writes it."""
    return "\t|\t".join(map(str, cells)) + "\t|\n"


def taxdump(nodes=NODES, others=OTHERS):
    """Return the files of a dump of NCBI's taxonomy, in the order in which NCBI packs them."""
    names = [row(i, name, "", "scientific name") for i, _, _, name in nodes]
    names += [row(i, name, "", kind) for i, name, kind in others]
    rest = ("", 8, 0, 1, 0, 0, 0, 0, 0, "")
    return {
        "citations.dmp": row(1, "cited", 0, 0, "", "", ""),
        "division.dmp": row(8, "UNA", "Unassigned", ""),
        "merged.dmp": row(12, 74109),
        "names.dmp": "".join(names),
        "nodes.dmp": "".join(row(i, parent, rank, *rest) for i, parent, rank, _ in nodes),
        "readme.txt": "*.dmp files are bcp-like dump\n",
    }


def in_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


PACKED = (2023, 11, 14, 0, 0, 0)  # the same bytes whenever an archive is made


def in_zip(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, PACKED), content, method)
    return path


def in_tar(path, files, mode="w:gz"):
    if mode == "w:gz":  # without the time of day in its header
        with gzip.GzipFile(path, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
            _fill(archive, files)
    else:
        with tarfile.open(path, mode) as archive:
            _fill(archive, files)
    return path


def _fill(archive, files):
    for name, content in files.items():
        content = content if isinstance(content, bytes) else content.encode()
        member = tarfile.TarInfo(name)
        member.size, member.mtime = len(content), 1_700_000_000  # 2023-11-14
        archive.addfile(member, io.BytesIO(content))


# ---------------------------------------------------------------- Darwin Core

DWC = "http://rs.tdwg.org/dwc/terms/"
GBIF = "http://rs.gbif.org/terms/1.0/"
BACKBONE = [
    ("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "scientificNameAuthorship",
     "canonicalName", "taxonRank", "taxonomicStatus"),
    ("1", "", "", "Animalia", "", "Animalia", "kingdom", "accepted"),
    ("6", "", "", "Plantae", "", "Plantae", "kingdom", "accepted"),
    ("212", "1", "", "Aves", "", "Aves", "class", "accepted"),
    ("729", "212", "", "Passeriformes", "", "Passeriformes", "order", "accepted"),
    ("9327", "729", "", "Paridae", "", "Paridae", "family", "accepted"),
    ("24", "9327", "", "Parus Linnaeus, 1758", "Linnaeus, 1758", "Parus", "genus", "accepted"),
    ("25", "9327", "", "Cyanistes Kaup, 1829", "Kaup, 1829", "Cyanistes", "genus", "accepted"),
    ("2487885", "24", "", "Parus major Linnaeus, 1758", "Linnaeus, 1758", "Parus major", "species", "accepted"),
    ("2487879", "25", "", "Cyanistes caeruleus (Linnaeus, 1758)", "(Linnaeus, 1758)", "Cyanistes caeruleus", "species",
     "accepted"),
    ("5", "24", "2487879", "Parus caeruleus Linnaeus, 1758", "Linnaeus, 1758", "Parus caeruleus", "species",
     "homotypic synonym"),
    ("1354", "6", "", "Fagales", "", "Fagales", "order", "accepted"),
    ("4689", "1354", "", "Fagaceae", "", "Fagaceae", "family", "accepted"),
    ("2877951", "4689", "", "Quercus L.", "L.", "Quercus", "genus", "accepted"),
    ("7", "2877951", "", "Quercus \N{MULTIPLICATION SIGN}rosacea Bechst.", "Bechst.", "Quercus rosacea", "species",
     "accepted"),
    ("8", "6", "", "Parus \"major\" Nobody", "Nobody", "Parus minor", "species", "doubtful"),
]  # fmt: skip


def term(name):
    return (GBIF if name == "canonicalName" else DWC) + name


def meta(header, file="Taxon.tsv", delimiter="\\t", quote="", encoding="UTF-8", lines=1, row_type="Taxon"):
    """Return meta.xml for a core of these columns, the first of which is the id."""
    fields = "".join(f'<field index="{i}" term="{term(name)}"/>' for i, name in enumerate(header))
    return (
        '<?xml version="1.0"?>\n<archive xmlns="http://rs.tdwg.org/dwc/text/" metadata="eml.xml">\n'
        f'<core encoding="{encoding}" fieldsTerminatedBy="{delimiter}" linesTerminatedBy="\\n" '
        f'fieldsEnclosedBy="{quote}" ignoreHeaderLines="{lines}" rowType="{DWC}{row_type}">\n'
        f'<files><location>{file}</location></files>\n<id index="0"/>{fields}</core>\n'
        f'<extension rowType="{GBIF}VernacularName"><files><location>VernacularName.tsv</location></files>'
        '<coreid index="0"/></extension></archive>'
    )


def dwca(rows=None, **written):
    """Return the files of a Darwin Core Archive in the form of GBIF's backbone."""
    rows = BACKBONE if rows is None else rows
    delimiter = {"\\t": "\t"}.get(written.get("delimiter", "\\t"), written.get("delimiter"))
    text = io.StringIO()
    for cells in rows:
        if written.get("quote"):
            csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(cells)
        else:
            text.write(delimiter.join(cells) + "\n")
    encoding = written.get("encoding", "UTF-8")
    return {
        "eml.xml": "<eml><dataset><pubDate>2023-08-28</pubDate></dataset></eml>",
        "meta.xml": meta(rows[0], **written),
        written.get("file", "Taxon.tsv"): text.getvalue().encode(encoding),
        "VernacularName.tsv": "taxonID\tvernacularName\n2487885\tgreat tit\n",
    }


COLUMNS_ONLY = [
    ("taxonID", "scientificName", "taxonRank", "kingdom", "class", "order", "family", "genus"),
    ("a", "Parus major Linnaeus, 1758", "species", "Animalia", "Aves", "Passeriformes", "Paridae", "Parus"),
    ("b", "Prunella modularis (Linnaeus, 1758)", "species", "Animalia", "Aves", "Passeriformes", "Prunellidae",
     "Prunella"),
    ("c", "Prunella vulgaris L.", "species", "Plantae", "Magnoliopsida", "Lamiales", "Lamiaceae", "Prunella"),
    ("d", "Hyliota flavigaster Swainson, 1837", "species", "Animalia", "Aves", "Passeriformes", "", "Hyliota"),
    ("e", "Parus Linnaeus, 1758", "genus", "Animalia", "Aves", "Passeriformes", "Paridae", "Parus"),
]  # fmt: skip

# ---------------------------------------------------------------- CoLDP

USAGES = [
    ("ID", "parentID", "status", "scientificName", "authorship", "rank"),
    ("V2", "", "accepted", "Aves", "", "class"),
    ("ORD", "V2", "accepted", "Passeriformes", "", "order"),
    ("FAM", "ORD", "accepted", "Paridae", "Vigors, 1825", "family"),
    ("GEN", "FAM", "provisionally accepted", "Cyanistes", "Kaup, 1829", "genus"),
    ("7XCC", "GEN", "accepted", "Cyanistes caeruleus", "(Linnaeus, 1758)", "species"),
    ("8XCC", "7XCC", "synonym", "Parus caeruleus", "Linnaeus, 1758", "species"),
    ("9XCC", "", "bare name", "Parus nudus", "", "species"),
]


def tsv(rows, prefix=""):
    header = "\t".join(prefix + name for name in rows[0])
    return "\n".join([header, *("\t".join(cells) for cells in rows[1:])]) + "\n"


def coldp(rows=USAGES, prefix="col:"):
    """Return the files of a CoLDP package with NameUsage, as ChecklistBank exports it."""
    return {"metadata.yaml": "title: Birds\nversion: '2024-05'\nissued: 2024-05-20\n",
            "NameUsage.tsv": tsv(rows, prefix)}  # fmt: skip


def coldp_in_three():
    """Return the same in Name, Taxon and Synonym."""
    names = [("ID", "scientificName", "authorship", "rank"), *((f"n{i}", s, a, r) for i, _, _, s, a, r in USAGES[1:])]
    taxa = [("ID", "nameID", "parentID")]
    taxa += [(i, f"n{i}", parent) for i, parent, status, *_ in USAGES[1:] if "accepted" in status]
    synonyms = [("taxonID", "nameID"), *((parent, f"n{i}") for i, parent, status, *_ in USAGES if status == "synonym")]
    return {"Name.tsv": tsv(names), "Taxon.tsv": tsv(taxa), "Synonym.tsv": tsv(synonyms)}


# ---------------------------------------------------------------- Clements

CLEMENTS = [
    ("sort v2023", "species_code", "Clements v2023 change", "text for website v2023", "category", "English name",
     "scientific name", "range", "order", "family", "extinct", "extinct year"),
    ("1", "ostric2", "", "", "species", "Common Ostrich", "Struthio camelus", "Africa", "Struthioniformes",
     "Struthionidae (Ostriches)", "", ""),
    ("2", "ostric2a", "", "", "subspecies", "", "Struthio camelus camelus", "Sahel", "Struthioniformes",
     "Struthionidae (Ostriches)", "", ""),
    ("3", "blutit", "", "", "species", "Eurasian Blue Tit", "Cyanistes caeruleus", "C\u00f4te d\u2019Ivoire",
     "Passeriformes",
     "Paridae (Tits, Chickadees, and Titmice)", "", ""),
    ("4", "blutit1", "", "", "group (polytypic)", "Eurasian Blue Tit (Eurasian)",
     "Cyanistes caeruleus [caeruleus Group]", "", "Passeriformes", "Paridae (Tits, Chickadees, and Titmice)", "", ""),
    ("5", "bkfalb", "", "", "species", "Black-footed Albatross", "Phoebastria nigripes", "", "Procellariiformes",
     "Diomedeidae (Albatrosses)", "", ""),
    ("6", "tit1", "", "", "spuh", "tit sp.", "Paridae sp.", "", "Passeriformes", "Paridae (Tits)", "", ""),
    ("", "", "", "", "", "", "", "", "", "", "", ""),
]  # fmt: skip


def clements(rows=CLEMENTS, encoding="cp1252"):
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)
