"""Taking in what strangers send: pictures and ZIP archives of them, by content and within limits.

A name is a label and nothing else: no file of it is ever opened or written. An archive is read in
memory, an entry at a time. A path that leads out of it could do no harm; it is refused all the
same, for nobody packs such a one by accident. An archive may claim any size: what it claims is
looked at before, and what really comes out is bounded by it.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakValueDictionary
from zipfile import ZipInfo

from openmax_core.pictures.folders import is_junk, is_system_file
from openmax_core.pictures.images import why_no_picture

MAX_FILES = 200
MAX_FILE_BYTES = 20_000_000
MAX_ARCHIVE_BYTES = 100_000_000
MAX_TOTAL_BYTES = 400_000_000
MAX_HELD_BYTES = 4 * MAX_TOTAL_BYTES  # of all visitors together
MAX_ENTRIES = 2000
# Pictures are compressed already; what shrinks to a two-hundredth holds nothing but repetition.
MAX_RATIO = 200
SMALL = 1_000_000  # bytes that may shrink as far as they like
BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
DIRECTORY_ENTRY = b"PK\x01\x02"
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1
SEND_ITSELF = "send the picture itself"
OTHER_ARCHIVES = {
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
}
KEY_LENGTH = 20
# What was taken and is still held by somebody.
_HELD: WeakValueDictionary[int, Upload] = WeakValueDictionary()


@dataclass(frozen=True)
class Upload:
    """One file as it was sent, or one entry of an archive."""

    name: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def key(self) -> str:
        """What tells this file from others: a hash of name and content."""
        named = f"{self.digest}/{self.name}".encode("utf-8", "backslashreplace")
        return hashlib.sha256(named).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class Refused:
    """A file that is not taken: its name, why, and what to do instead."""

    name: str
    reason: str


def label(name: str) -> str:
    """Return a name as it can be shown: signs that would not be seen are replaced by �."""
    return "".join(sign if sign.isprintable() else "�" for sign in name)


def megabytes(n_bytes: int) -> str:
    """Return 20400000 as '20.4 MB'."""
    return f"{n_bytes / 1e6:.1f} MB".replace(".0 MB", " MB")


@dataclass(frozen=True)
class Intake:
    """What is taken of the files sent, and what is not."""

    files: tuple[Upload, ...]
    refused: tuple[Refused, ...]


def take_in(sent: Iterable[Upload], held: Sequence[Upload] = ()) -> Intake:
    """Take pictures, also out of ZIP archives, as far as the limits allow.

    At most 200 pictures of 20 MB each and 400 MB together, an archive of at most 100 MB; what is
    ``held`` already counts, and a file that is among it, or comes twice, is taken once. All that
    is taken in this process and still held may have 1.6 GB.
    """
    taken: list[Upload] = []
    refused: list[Refused] = []
    keys = {file.key for file in held}
    total = sum(len(file.content) for file in held)
    for file in _unpacked(sent):
        if isinstance(file, Refused):
            refused.append(file)
        elif file.key in keys:
            continue
        elif (reason := _why_not_taken(file, len(keys), total)) is not None:
            refused.append(Refused(file.name, reason))
        else:
            taken.append(file)
            _HELD[id(file)] = file
            keys.add(file.key)
            total += len(file.content)
    return Intake(tuple(taken), tuple(refused))


def held_bytes() -> int:
    """Bytes of the pictures that were taken from all visitors, and are still held."""
    held = (reference() for reference in _HELD.valuerefs())
    return sum(len(file.content) for file in held if file is not None)


def _unpacked(sent: Iterable[Upload]) -> Iterator[Upload | Refused]:
    for item in sent:
        file = Upload(label(item.name), item.content)
        if not is_archive(file.content):
            yield file
        elif len(file.content) > MAX_ARCHIVE_BYTES:
            yield Refused(
                file.name,
                f"it has {megabytes(len(file.content))}; an archive may have at most "
                f"{megabytes(MAX_ARCHIVE_BYTES)}, send it in parts",
            )
        else:
            # One at a time: what is not taken is let go before the next is unpacked.
            is_empty = True
            for entry in unpack(file):
                is_empty = False
                yield entry
            if is_empty:
                yield Refused(file.name, "there is no file in the archive")


def _why_not_taken(file: Upload, n_held: int, total: int) -> str | None:
    """Why a file is turned away: it is no picture by its content, or beyond the limits."""
    if len(file.content) > MAX_FILE_BYTES:
        return (
            f"it has {megabytes(len(file.content))}; at most {megabytes(MAX_FILE_BYTES)} a picture "
            "are taken, make it smaller"
        )
    for beginning, kind in OTHER_ARCHIVES.items():
        if file.content.startswith(beginning):
            return f"{kind} archives are not opened; pack the pictures as ZIP"
    if (reason := why_no_picture(file.content)) is not None:
        if file.name.lower().endswith(".zip"):
            return f"it is no ZIP archive, though it is called one: {reason}"
        return reason
    if n_held >= MAX_FILES:
        return (
            f"at most {MAX_FILES} pictures are decided on at a time; take some away and send it "
            "again"
        )
    if total + len(file.content) > MAX_TOTAL_BYTES:
        return (
            f"at most {megabytes(MAX_TOTAL_BYTES)} are held at a time; take some away and send it "
            "again"
        )
    if held_bytes() + len(file.content) > MAX_HELD_BYTES:
        return "other visitors hold many pictures at the moment; send it again in some minutes"
    return None


def is_archive(content: bytes) -> bool:
    """Tell a ZIP archive by its content, whatever its name."""
    return content.startswith(BEGINNINGS)


def unpack(archive: Upload) -> Iterator[Upload | Refused]:
    """Entries of a ZIP archive, in its order, named 'archive.zip/folder/picture.jpg'.

    Folders, hidden files and what macOS and Windows add are passed over in silence. An entry that
    cannot be taken is yielded with its reason; so is the archive where none of it can be read.
    """
    # Counted before they are listed: a list of millions would fill the memory.
    if archive.content.count(DIRECTORY_ENTRY) > MAX_ENTRIES:
        yield Refused(
            archive.name,
            f"the archive has more than {MAX_ENTRIES:,} entries; pack fewer files in one",
        )
        return
    try:
        opened = zipfile.ZipFile(io.BytesIO(archive.content))
    # The reader lets many kinds of errors through for damaged content.
    except Exception as error:
        yield Refused(
            archive.name,
            f"the archive is damaged or was cut off ({_in_words(error)}); pack it again",
        )
        return
    total = 0
    with opened:
        entries = opened.infolist()
        shown: dict[str, str] = {}
        for info, entry_name in zip(entries, names_of(entries), strict=True):
            path = entry_name.replace("\\", "/")
            if path.endswith("/") or _is_junk(path):
                continue
            name = f"{archive.name}/{_unlike_others(label(path), info.orig_filename, shown)}"
            reason = _why_not(info, path)
            if reason is None and total + info.file_size > MAX_TOTAL_BYTES:
                reason = (
                    f"the archive unpacks to more than {megabytes(MAX_TOTAL_BYTES)}; send it in "
                    "parts"
                )
            if reason is not None:
                yield Refused(name, reason)
                continue
            total += info.file_size
            yield _read(opened, info, name)


def _unlike_others(name: str, stored: str, shown: dict[str, str]) -> str:
    """Number a name under which an entry of another stored name is shown already."""
    stem, dot, suffix = name.rpartition(".")
    unlike, count = name, 1
    while shown.setdefault(unlike, stored) != stored:
        count += 1
        unlike = f"{stem} ({count}).{suffix}" if dot else f"{name} ({count})"
    return unlike


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Upload | Refused:
    try:
        with opened.open(info) as stream:
            # Never more than the size that was claimed, and that was looked at.
            content = stream.read(MAX_FILE_BYTES)
    except Exception as error:  # as above
        return Refused(name, f"the entry is damaged ({_in_words(error)}); {SEND_ITSELF}")
    if is_archive(content):
        return Refused(name, "an archive within an archive is not opened; send it by itself")
    return Upload(name, content)


def _why_not(info: zipfile.ZipInfo, path: str) -> str | None:
    """Why an entry is not even read; None where nothing speaks against it."""
    if path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path):
        return "its path leads out of the archive; pack it again without"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return f"it is a link to another file; {SEND_ITSELF}"
    if kind not in {0, stat.S_IFREG}:
        return "it is no ordinary file"
    if info.flag_bits & ENCRYPTED:
        return f"it is locked with a password; unpack it and {SEND_ITSELF}"
    if info.compress_type not in METHODS:
        return (
            f"it is compressed in a way that is not read here; use ordinary ZIP, or {SEND_ITSELF}"
        )
    if info.file_size > MAX_FILE_BYTES:
        return (
            f"it unpacks to {megabytes(info.file_size)}; at most {megabytes(MAX_FILE_BYTES)} a "
            "picture are taken, make it smaller"
        )
    if info.file_size > max(SMALL, MAX_RATIO * info.compress_size):
        return (
            f"{info.compress_size:,} bytes would unpack to {megabytes(info.file_size)}, as no "
            f"photograph does; if it is a picture, {SEND_ITSELF}"
        )
    return None


def _is_junk(path: str) -> bool:
    *folders, name = path.split("/")
    # What leads out of the archive is refused by name.
    is_system = name != ".." and is_system_file(name)
    return is_system or any(is_junk(folder) for folder in folders if folder != "..")


def _in_words(error: Exception) -> str:
    return label(str(error))[:120] or type(error).__name__


UNICODE = 0x800  # the flag of names in UTF-8
UNICODE_PATH = 0x7075  # the extra field of WinZip, WinRAR and 7-Zip
WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
LATIN = frozenset("äöüÄÖÜßéèêëàâáåãçñíìîïóòôõúùûæøœÅÆØÉÈÊÀÁÂÇÑÍÓÔÚÿýšžŠŽ")
CYRILLIC = frozenset(map(chr, [*range(0x410, 0x450), 0x401, 0x451]))
KANA = frozenset(map(chr, range(0x3041, 0x30FF)))
# Signs of everyday texts and of the names that systems give to pictures and folders.
HANGUL = frozenset(
    "이다는의에을가고하지은를로도사기어나시서자한해리대아수인라그스일부정제전만여보게주상들과장소연구관원동성적"
    "경국미신우마모회공방생조비오세계용실교화발선진위무있것었했으면년명문학요개당중입물말드트래간차분산단후거반"
    "니내처결추두타음감최각심외저안바금행식체강민영노북남양역통업복약파카페호포폴더새글캡샷크린컴퓨터집속목날달"
    "별눈꽃불풀봄름겨울림탕다운본마폰톡빠엄친족"
)
SIMPLIFIED = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道"
    "行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意"
    "无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什"
    "二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义"
    "各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金"
    "指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求"
    "据程北京边交规万取拉格望术领共确传师观清今切院让识候带导争运图片照截屏幕微夹拍摄花狗猫鸟车桌副未载游旅风景"
)
TRADITIONAL = frozenset(
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道"
    "行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日圖片照"
    "相新增資料夾螢幕擷取畫臺灣台北狗貓鳥花車檔案載桌旅遊風景"
)
KANJI = frozenset(
    "日一国人年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川"
    "千水半男西電校語土木聞食車何南万毎白天母火右読友左休父雨会同事自社発者地業方新場員立開手力問代明動京目通"
    "言理体田主題意不作用度強公持野以思家世多正安院心界教文元重近考画海売知道集別物使品計特私始朝運終台広住真"
    "有口少町料工建空送切転研足楽起着店質試族銀早映親英医味写字夜音注帰古歌図週室歩風紙黒花春赤青館屋色走秋夏"
    "駅洋旅服鳥飯冬茶弟牛魚兄犬妹姉漢猫塔像"
)
CODE_PAGES = {
    "cp949": HANGUL,
    "cp932": KANA | KANJI,
    "gbk": SIMPLIFIED,
    "big5": TRADITIONAL,
    "cp866": CYRILLIC,
}
LATIN_CODE_PAGES = ("cp437", "cp1252")
SHARE_NEEDED, LEAD_NEEDED = 0.35, 1.5


def names_of(entries: Sequence[ZipInfo]) -> list[str]:
    """Names of an archive's entries, in their order."""
    raw = [_raw(entry) for entry in entries]
    names = [
        entry.orig_filename if content is None else _unicode(entry, content)
        for entry, content in zip(entries, raw, strict=True)
    ]
    untold = [content or b"" for content, name in zip(raw, names, strict=True) if name is None]
    code_page = _code_page(untold) or "ascii"
    return [
        (content or b"").decode(code_page, "replace") if name is None else name
        for content, name in zip(raw, names, strict=True)
    ]


def _raw(entry: ZipInfo) -> bytes | None:
    """Bytes of a name of which the archive does not say that it is UTF-8; else None."""
    if entry.flag_bits & UNICODE:
        return None
    return entry.orig_filename.encode("cp437")  # as zipfile has decoded it


def _unicode(entry: ZipInfo, raw: bytes) -> str | None:
    """Return a name that is told by an extra field, or is UTF-8 all the same; else None."""
    extra = entry.extra
    while len(extra) >= 4:
        kind, size = (int.from_bytes(extra[at : at + 2], "little") for at in (0, 2))
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and field[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
            raw = field[5:]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _code_page(names: Sequence[bytes]) -> str | None:
    """Tell the code page of an archive's names; None where it cannot be told.

    Names are short: of sixty by themselves this tells 52 rightly and one wrongly,
    charset-normalizer with the same code pages to choose from 35 and 25.
    """
    if not names:
        return None
    words = [word for name in names for word in WORD.findall(name)]
    # In a language of Latin letters, few have an accent.
    letters = b"".join(words)
    if 3 * sum(byte >= 0x80 for byte in letters) <= len(letters):
        for code_page in LATIN_CODE_PAGES:
            if _share(names, code_page, LATIN) == 1:
                return code_page
    common = dict(CODE_PAGES)
    # Of the others a sign's second byte may be a letter, and two bytes are one sign.
    if any(re.search(rb"[A-Za-z]", word) for word in words) or max(map(len, words)) < 4:
        del common["cp866"]
    shares = sorted(((_share(names, page, signs), page) for page, signs in common.items()))[::-1]
    (best, code_page), (second, _) = shares[:2]
    return code_page if best >= max(SHARE_NEEDED, LEAD_NEEDED * second) else None


def _share(names: Sequence[bytes], code_page: str, common: frozenset[str]) -> float:
    """Share of the signs beyond ASCII that are common ones; 0 where it is another code page."""
    try:
        signs = [sign for name in names for sign in name.decode(code_page) if not sign.isascii()]
    except UnicodeDecodeError:
        return 0.0
    return sum(sign in common for sign in signs) / len(signs) if signs else 0.0
