"""The account of a video as PREMIS 3 (Library of Congress, 2016): objects, events and agents in XML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

_PREMIS = "http://www.loc.gov/premis/v3"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = f"{_PREMIS} https://www.loc.gov/standards/premis/premis.xsd"
_FORMATS = {
    ".mkv": "Matroska",
    ".mov": "QuickTime",
    ".mp4": "MP4",
    ".dpx": "DPX",
    ".png": "PNG",
    ".wav": "WAVE",
    ".framemd5": "FFmpeg framemd5",
    ".mcc": "MacCaption",
}
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AGENT = "reelift"


def premis(account: Mapping[str, Any]) -> bytes:
    """The PREMIS document of an account (see ``provenance.account``)."""
    ElementTree.register_namespace("premis", _PREMIS)
    ElementTree.register_namespace("xsi", _XSI)
    root = ElementTree.Element(_name("premis"), {"version": "3.0", f"{{{_XSI}}}schemaLocation": _SCHEMA})
    source, files = account["source"], account["result"]["files"]
    _file(root, source["sha256"], source["bytes"], source.get("container", "unknown"), source["name"])
    for file in files:
        made_from = source["sha256"] if file["name"].endswith(".mkv") else ""
        _file(root, file["sha256"], file["bytes"], _format(file["name"]), file["name"], made_from)
    for event in _events(account):
        _event(root, account, **event)
    _agent(root, account)
    ElementTree.indent(root, " ")
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"


def _events(account: Mapping[str, Any]) -> list[dict[str, Any]]:
    decisions, stages, files = account["decisions"], account["stages"], account["result"]["files"]
    source = account["source"]["sha256"]
    video = [file["sha256"] for file in files if file["name"].endswith(".mkv")]
    captions = [file["sha256"] for file in files if file["name"].endswith(".mcc")]
    others = [file["sha256"] for file in files if not file["name"].endswith((".mkv", ".framemd5", ".mcc"))]
    damage = [each["what"] for each in decisions.get("damage", ())]
    treated = ", ".join(f"{each['start']}-{each['stop']}: {each['treatment']}" for each in decisions.get("fields", ()))
    split = {"treatment of fields": treated, "parameters": stages["split"]["parameters"]}
    networks = {name: stages[name] for name in ("flow", "sample", "decode")}
    found = [
        _of("message digest calculation", "SHA-256 of the source", "success", [source], []),
        _of("decoding", split, "warning" if damage else "success", [source], [], damage),
        _of("modification", {"networks": networks, "seed": account["seed"]}, "success", [source], video),
        _of("validation", "frames, timestamps and audio packets against the source", "success", [source], video),
    ]
    if decoded := account["result"].get("decoded_sound"):
        found.append(_of("normalization", decoded, "success", [source], video))
    if captions:
        found.append(_of("extraction", "closed captions of the source's pictures", "success", [source], captions))
    if others:
        parameters = {"derivatives": stages["assemble"]["parameters"].get("derivatives")}
        found.append(_of("migration", parameters, "success", video, others))
    for each in account["attempts_that_failed"]:
        found.append(_of("modification", dict(each), "fail", [source], []))
    return found


def _of(
    kind: str, detail: Any, outcome: str, sources: Sequence[str], outcomes: Sequence[str], notes: Sequence[str] = ()
) -> dict[str, Any]:
    return {
        "kind": kind, "detail": detail, "outcome": outcome, "sources": sources, "outcomes": outcomes, "notes": notes
    }  # fmt: skip


def _name(name: str) -> str:
    return f"{{{_PREMIS}}}{name}"


def _add(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, _name(name))
    if text is not None:
        child.text = _plain(text)
    return child


def _plain(text: str) -> str:
    """Without the characters that XML 1.0 has no place for."""
    return _FORBIDDEN.sub("?", text)


def _identifier(parent: ElementTree.Element, name: str, kind: str, value: str) -> ElementTree.Element:
    child = _add(parent, name)
    _add(child, f"{name}Type", kind)
    _add(child, f"{name}Value", value)
    return child


def _file(root: ElementTree.Element, sha256: str, size: int, form: str, name: str, made_from: str = "") -> None:
    entry = _add(root, "object")
    entry.set(f"{{{_XSI}}}type", "premis:file")
    _identifier(entry, "objectIdentifier", "SHA-256", sha256)
    facts = _add(entry, "objectCharacteristics")
    fixity = _add(facts, "fixity")
    _add(fixity, "messageDigestAlgorithm", "SHA-256")
    _add(fixity, "messageDigest", sha256)
    _add(facts, "size", str(size))
    _add(_add(_add(facts, "format"), "formatDesignation"), "formatName", form)
    _add(entry, "originalName", name)
    if made_from:
        relation = _add(entry, "relationship")
        _add(relation, "relationshipType", "derivation")
        _add(relation, "relationshipSubType", "has source")
        _identifier(relation, "relatedObjectIdentifier", "SHA-256", made_from)


def _event(
    root: ElementTree.Element,
    account: Mapping[str, Any],
    kind: str,
    detail: Any,
    outcome: str,
    sources: Sequence[str],
    outcomes: Sequence[str],
    notes: Sequence[str],
) -> None:
    text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
    made = account["made"]["ended"]
    if kind == "migration":  # some derivatives may have been made later
        made = account["made"].get("completed", made)
    entry = _add(root, "event")
    identity = uuid5(NAMESPACE_URL, f"{kind} {text} {sources} {outcomes} {made}")
    _identifier(entry, "eventIdentifier", "UUID", str(identity))
    _add(entry, "eventType", kind)
    _add(entry, "eventDateTime", made)
    _add(_add(entry, "eventDetailInformation"), "eventDetail", text)
    result = _add(entry, "eventOutcomeInformation")
    _add(result, "eventOutcome", outcome)
    for note in notes:
        _add(_add(result, "eventOutcomeDetail"), "eventOutcomeDetailNote", note)
    agent = _identifier(entry, "linkingAgentIdentifier", "software", _AGENT)
    _add(agent, "linkingAgentRole", "executing program")
    for role, digests in (("source", sources), ("outcome", outcomes)):
        for digest in digests:
            _add(_identifier(entry, "linkingObjectIdentifier", "SHA-256", digest), "linkingObjectRole", role)


def _agent(root: ElementTree.Element, account: Mapping[str, Any]) -> None:
    agent = _add(root, "agent")
    _identifier(agent, "agentIdentifier", "software", _AGENT)
    _add(agent, "agentName", "Reelift")
    _add(agent, "agentType", "software")
    _add(agent, "agentVersion", account["versions"]["reelift"])
    for name, number in account["versions"].items():
        _add(agent, "agentNote", f"{name} {number}")


def _format(name: str) -> str:
    return next((form for suffix, form in _FORMATS.items() if name.lower().endswith(suffix)), "unknown")
