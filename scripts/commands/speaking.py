"""The words around what a patient reads and signs in a terminal, in four languages."""

from typing import Annotated, Any

import typer

from scripts.console import out

Language = Annotated[
    str, typer.Option(help="The language to read in, and of the sentences that are signed: en, de, es or ar.")
]
Reading = Annotated[str, typer.Option("--language", help="The language to read in: en, de, es or ar.")]

WORDS = {
    "en": {
        "asks": "{who} asks you about “{title}”:", "know": "What you should know:",
        "terms": "{title} (as of {day}):", "rest": "Not agreed to: {numbers}.",
        "agree": "Agree to {numbers}?", "decline": "Decline all of it? {who} will be told.",
        "declined": "Declined. {who} was told, and nothing was allowed.",
        "silent": "Nothing was said about this offer.",
        "closed": "You have no key to these files, so you cannot open them. "
        "Before you decide, look at them together with the person they are about.",
        "question": "You asked, {when}: {text}", "answer": "{who} answered, {when}: {text}",
        "decline_said": "Declined, {when}. {text}",
        "english": "Not all of this is in your language; the rest is in English.",
        "state.granted": "In force",
        "state.not_yet_valid": "Begins later",
        "state.expired": "Ended: the time is over",
        "state.revoked": "Stopped by you",
        "state.replaced": "Ended: replaced by your newer consent",
        "state.suspended": "Paused by you",
        "state.closed": "Ended for ever",
        "state.form_superseded": "Ended: the form has changed",
        "state.record_retracted": "Ended: the institution took the case back",
        "state.controller_not_listed": "Does not count: the institution is not on the public list any more",
        "state.recipient_suspended": "Does not count right now: this recipient is barred",
        "state.further_consent_needed": "Does not count yet: another person has to agree too",
        "state.stopped_by_another": "Ended: a person who decides with you has stopped it",
        "state.unknown": "Not known right now",
        "state.no_consent": "Not in the public record",
        "state.awaiting_confirmations": "On its way: not yet in the public record",
        "case": "case",
        "who": "who",
        "for": "what for",
        "where": "where",
        "until": "until",
        "state": "state",
        "consent": "consent",
        "none": "no consent yet",
        "anybody": "Anybody that the institution approves",
        "form_changed": "the form has changed",
        "nothing_ends": "No consent ends within {days} days.",
        "no_case": "This wallet knows no case yet. {command} answers an invitation.",
        "form_ended": "{who} has a new form. What you allowed under the old one does not count any more.",
        "form_counts": "{who} has a new form. What you allowed still counts.",
        "terms_changed": "What a place says has changed. {who} has no new form yet under which you can agree.",
        "places": "It does not count any more for: {places}.",
        "changes": "What changed ({removed} was taken out, {added} is new):",
        "removed": "Taken out:",
        "added": "New:",
        "before": "Before:",
        "now": "Now:",
        "other": "In this language the text reads as before; in another it does not.",
        "same": "What stays as it was: {count}",
        "sign": "You would sign:",
        "renew": "Agree again under the new form?",
        "under_way": "You have agreed again under the new form already. {state}",
        "finish": "End the old consent now?",
        "taken": "The service has your new consent.",
        "old_ended": "The old consent has ended.",
        "old_stays": "The old one stays as it was until the new one counts. The same command ends it then.",
        "reason.permitted": "It is allowed.",
        "reason.unknown_record": "There is no such case.",
        "reason.controller_not_listed": "The institution is not on the public list.",
        "reason.record_retracted": "The institution took the case back.",
        "reason.no_consent": "You did not allow it.",
        "reason.not_yet_valid": "Your consent begins later.",
        "reason.expired": "The time of your consent was over.",
        "reason.revoked": "You had stopped it.",
        "reason.suspended": "You had paused it.",
        "reason.closed": "You had ended the case.",
        "reason.recipient_not_covered": "You did not allow it for them.",
        "reason.recipient_suspended": "They are barred right now.",
        "reason.purpose_not_covered": "You did not allow this use.",
        "reason.needs_review": "A person has to look at this use first.",
        "reason.channel_not_covered": "You did not allow this place.",
        "reason.item_not_covered": "You did not allow this file.",
        "reason.content_changed": "The file was not the one that you saw.",
        "reason.form_superseded": "The form had changed.",
        "reason.further_consent_needed": "Another person had not agreed yet.",
        "reason.awaiting_confirmations": "It was not settled in the public record yet.",
        "reason.stale_ledger": "The public record was not up to date, so the answer was no.",
        "reason.ledger_unavailable": "The public record could not be read, so the answer was no.",
        "reason.other": "It was refused.",
        "looked.decision": "asked to use it",
        "looked.release": "asked for the files",
        "looked.outcome": "received the files",
        "when": "when (UTC)",
        "what": "what",
        "reply": "answer",
        "yes": "yes",
        "no": "no. {why}",
        "nobody": "Nobody has asked yet.",
    },
    "de": {
        "asks": "{who} fragt Sie zu „{title}“:", "know": "Das sollten Sie wissen:",
        "terms": "{title} (Stand: {day}):", "rest": "Nicht zugestimmt: {numbers}.",
        "agree": "{numbers} zustimmen?", "decline": "Alles ablehnen? {who} erfährt es.",
        "declined": "Abgelehnt. {who} hat es erfahren, und nichts wurde erlaubt.",
        "silent": "Zu dieser Anfrage wurde nichts gesagt.",
        "closed": "Sie haben keinen Schlüssel zu diesen Dateien und können sie nicht öffnen. "
        "Sehen Sie sie mit der Person an, um die es geht, bevor Sie entscheiden.",
        "question": "Sie haben gefragt, {when}: {text}", "answer": "{who} hat geantwortet, {when}: {text}",
        "decline_said": "Abgelehnt, {when}. {text}",
        "english": "Nicht alles davon gibt es in Ihrer Sprache; der Rest ist auf Englisch.",
        "state.granted": "In Kraft",
        "state.not_yet_valid": "Beginnt später",
        "state.expired": "Beendet: Die Zeit ist um",
        "state.revoked": "Von Ihnen beendet",
        "state.replaced": "Beendet: durch Ihre neuere Einwilligung ersetzt",
        "state.suspended": "Von Ihnen angehalten",
        "state.closed": "Für immer beendet",
        "state.form_superseded": "Beendet: Das Formular hat sich geändert",
        "state.record_retracted": "Beendet: Die Einrichtung hat den Fall zurückgezogen",
        "state.controller_not_listed": "Gilt nicht: Die Einrichtung steht nicht mehr auf der öffentlichen Liste",
        "state.recipient_suspended": "Gilt zurzeit nicht: Dieser Empfänger ist gesperrt",
        "state.further_consent_needed": "Gilt noch nicht: Eine weitere Person muss auch zustimmen",
        "state.stopped_by_another": "Beendet: Eine Person, die mit Ihnen entscheidet, hat es beendet",
        "state.unknown": "Zurzeit nicht bekannt",
        "state.no_consent": "Nicht im öffentlichen Register",
        "state.awaiting_confirmations": "Unterwegs: noch nicht im öffentlichen Register",
        "case": "Fall",
        "who": "wer",
        "for": "wofür",
        "where": "wo",
        "until": "bis",
        "state": "Stand",
        "consent": "Einwilligung",
        "none": "noch keine Einwilligung",
        "anybody": "Alle, die die Einrichtung zulässt",
        "form_changed": "das Formular hat sich geändert",
        "nothing_ends": "In den nächsten {days} Tagen endet keine Einwilligung.",
        "no_case": "Diese Brieftasche kennt noch keinen Fall. {command} beantwortet eine Einladung.",
        "form_ended": "{who} hat ein neues Formular. Was Sie unter dem alten erlaubt haben, gilt nicht mehr.",
        "form_counts": "{who} hat ein neues Formular. Was Sie erlaubt haben, gilt weiter.",
        "terms_changed": "Was ein Ort sagt, hat sich geändert. {who} hat noch kein neues Formular dafür.",
        "places": "Es gilt nicht mehr für: {places}.",
        "changes": "Was sich geändert hat ({removed} wurde gestrichen, {added} ist neu):",
        "removed": "Gestrichen:",
        "added": "Neu:",
        "before": "Vorher:",
        "now": "Jetzt:",
        "other": "In dieser Sprache lautet der Text wie vorher; in einer anderen nicht.",
        "same": "Was bleibt, wie es war: {count}",
        "sign": "Sie würden unterschreiben:",
        "renew": "Unter dem neuen Formular wieder zustimmen?",
        "under_way": "Sie haben unter dem neuen Formular schon wieder zugestimmt. {state}",
        "finish": "Die alte Einwilligung jetzt beenden?",
        "taken": "Der Dienst hat Ihre neue Einwilligung.",
        "old_ended": "Die alte Einwilligung ist beendet.",
        "old_stays": "Die alte bleibt, wie sie war, bis die neue gilt. Der gleiche Befehl beendet sie dann.",
        "reason.permitted": "Es ist erlaubt.",
        "reason.unknown_record": "Diesen Fall gibt es nicht.",
        "reason.controller_not_listed": "Die Einrichtung steht nicht auf der öffentlichen Liste.",
        "reason.record_retracted": "Die Einrichtung hat den Fall zurückgezogen.",
        "reason.no_consent": "Sie haben es nicht erlaubt.",
        "reason.not_yet_valid": "Ihre Einwilligung beginnt später.",
        "reason.expired": "Die Zeit Ihrer Einwilligung war um.",
        "reason.revoked": "Sie hatten es beendet.",
        "reason.suspended": "Sie hatten es angehalten.",
        "reason.closed": "Sie hatten den Fall beendet.",
        "reason.recipient_not_covered": "Für diesen Empfänger haben Sie es nicht erlaubt.",
        "reason.recipient_suspended": "Dieser Empfänger ist zurzeit gesperrt.",
        "reason.purpose_not_covered": "Diesen Zweck haben Sie nicht erlaubt.",
        "reason.needs_review": "Diesen Zweck muss sich erst ein Mensch ansehen.",
        "reason.channel_not_covered": "Diesen Ort haben Sie nicht erlaubt.",
        "reason.item_not_covered": "Diese Datei haben Sie nicht erlaubt.",
        "reason.content_changed": "Es war nicht die Datei, die Sie gesehen haben.",
        "reason.form_superseded": "Das Formular hatte sich geändert.",
        "reason.further_consent_needed": "Eine andere Person hatte noch nicht zugestimmt.",
        "reason.awaiting_confirmations": "Es stand noch nicht fest im öffentlichen Register.",
        "reason.stale_ledger": "Das öffentliche Register war nicht auf dem neuesten Stand, darum war die Antwort Nein.",
        "reason.ledger_unavailable": "Das öffentliche Register war nicht zu lesen, darum war die Antwort Nein.",
        "reason.other": "Es wurde abgelehnt.",
        "looked.decision": "hat gefragt, ob der Fall verwendet werden darf",
        "looked.release": "hat um die Dateien gebeten",
        "looked.outcome": "hat die Dateien bekommen",
        "when": "wann (UTC)",
        "what": "was",
        "reply": "Antwort",
        "yes": "ja",
        "no": "nein. {why}",
        "nobody": "Noch hat niemand gefragt.",
    },
    "es": {
        "asks": "{who} le pregunta sobre «{title}»:", "know": "Lo que debe saber:",
        "terms": "{title} (a fecha de {day}):", "rest": "Sin aceptar: {numbers}.",
        "agree": "¿Aceptar {numbers}?", "decline": "¿Rechazar todo? {who} lo sabrá.",
        "declined": "Rechazado. {who} lo sabe y no se ha permitido nada.",
        "silent": "No se ha dicho nada sobre esta propuesta.",
        "closed": "Usted no tiene la llave de estos archivos, así que no puede abrirlos. "
        "Antes de decidir, mírelos junto con la persona de la que tratan.",
        "question": "Usted preguntó, {when}: {text}", "answer": "{who} respondió, {when}: {text}",
        "decline_said": "Rechazado, {when}. {text}",
        "english": "No todo esto está en su idioma; el resto está en inglés.",
        "state.granted": "En vigor",
        "state.not_yet_valid": "Empieza más tarde",
        "state.expired": "Terminado: se acabó el tiempo",
        "state.revoked": "Parado por usted",
        "state.replaced": "Terminado: sustituido por su nuevo consentimiento",
        "state.suspended": "En pausa por usted",
        "state.closed": "Terminado para siempre",
        "state.form_superseded": "Terminado: el formulario ha cambiado",
        "state.record_retracted": "Terminado: la institución retiró el caso",
        "state.controller_not_listed": "No vale: la institución ya no está en la lista pública",
        "state.recipient_suspended": "No vale ahora: este destinatario está bloqueado",
        "state.further_consent_needed": "Todavía no vale: otra persona también tiene que aceptar",
        "state.stopped_by_another": "Terminado: lo paró una persona que decide con usted",
        "state.unknown": "No se sabe en este momento",
        "state.no_consent": "No está en el registro público",
        "state.awaiting_confirmations": "En camino: todavía no está en el registro público",
        "case": "caso",
        "who": "quién",
        "for": "para qué",
        "where": "dónde",
        "until": "hasta",
        "state": "estado",
        "consent": "consentimiento",
        "none": "todavía ningún consentimiento",
        "anybody": "Cualquiera que la institución apruebe",
        "form_changed": "el formulario ha cambiado",
        "nothing_ends": "Ningún consentimiento termina en los próximos {days} días.",
        "no_case": "Esta cartera no conoce todavía ningún caso. {command} responde a una invitación.",
        "form_ended": "{who} tiene un formulario nuevo. Lo que usted permitió con el anterior ya no vale.",
        "form_counts": "{who} tiene un formulario nuevo. Lo que usted permitió sigue valiendo.",
        "terms_changed": "Ha cambiado lo que dice un lugar. {who} todavía no tiene un formulario nuevo para ello.",
        "places": "Ya no vale para: {places}.",
        "changes": "Qué ha cambiado ({removed} se quitó, {added} es nuevo):",
        "removed": "Quitado:",
        "added": "Nuevo:",
        "before": "Antes:",
        "now": "Ahora:",
        "other": "En este idioma el texto dice lo mismo que antes; en otro, no.",
        "same": "Lo que queda igual: {count}",
        "sign": "Usted firmaría:",
        "renew": "¿Aceptar de nuevo con el formulario nuevo?",
        "under_way": "Usted ya aceptó de nuevo con el formulario nuevo. {state}",
        "finish": "¿Terminar ahora el consentimiento anterior?",
        "taken": "El servicio tiene su nuevo consentimiento.",
        "old_ended": "El consentimiento anterior ha terminado.",
        "old_stays": "El anterior queda como estaba hasta que valga el nuevo. La misma orden lo termina entonces.",
        "reason.permitted": "Está permitido.",
        "reason.unknown_record": "No existe ese caso.",
        "reason.controller_not_listed": "La institución no está en la lista pública.",
        "reason.record_retracted": "La institución retiró el caso.",
        "reason.no_consent": "Usted no lo permitió.",
        "reason.not_yet_valid": "Su consentimiento empieza más tarde.",
        "reason.expired": "El tiempo de su consentimiento se había acabado.",
        "reason.revoked": "Usted lo había parado.",
        "reason.suspended": "Usted lo había puesto en pausa.",
        "reason.closed": "Usted había terminado el caso.",
        "reason.recipient_not_covered": "Usted no lo permitió a ese destinatario.",
        "reason.recipient_suspended": "Ese destinatario está bloqueado ahora.",
        "reason.purpose_not_covered": "Usted no permitió ese uso.",
        "reason.needs_review": "Una persona tiene que revisar antes ese uso.",
        "reason.channel_not_covered": "Usted no permitió ese lugar.",
        "reason.item_not_covered": "Usted no permitió ese archivo.",
        "reason.content_changed": "El archivo no era el que usted vio.",
        "reason.form_superseded": "El formulario había cambiado.",
        "reason.further_consent_needed": "Otra persona no había aceptado todavía.",
        "reason.awaiting_confirmations": "Todavía no estaba firme en el registro público.",
        "reason.stale_ledger": "El registro público no estaba al día, por eso la respuesta fue no.",
        "reason.ledger_unavailable": "No se pudo leer el registro público, por eso la respuesta fue no.",
        "reason.other": "Se rechazó.",
        "looked.decision": "preguntó si podía usarlo",
        "looked.release": "pidió los archivos",
        "looked.outcome": "recibió los archivos",
        "when": "cuándo (UTC)",
        "what": "qué",
        "reply": "respuesta",
        "yes": "sí",
        "no": "no. {why}",
        "nobody": "Nadie ha preguntado todavía.",
    },
    "ar": {
        "asks": "{who} تسألك عن «{title}»:", "know": "ما ينبغي أن تعرفه:",
        "terms": "{title} (بتاريخ {day}):", "rest": "لم تتم الموافقة على: {numbers}.",
        "agree": "هل توافق على {numbers}؟", "decline": "هل ترفض كل ذلك؟ سيتم إبلاغ {who}.",
        "declined": "تم الرفض. تم إبلاغ {who} ولم يُسمح بأي شيء.",
        "silent": "لم يُقل شيء عن هذا العرض.",
        "closed": "ليس لديك مفتاح لهذه الملفات، لذلك لا تستطيع فتحها. "
        "قبل أن تقرر، انظر إليها مع الشخص الذي تتعلق به.",
        "question": "سألتَ، {when}: {text}", "answer": "أجابت {who}، {when}: {text}",
        "decline_said": "تم الرفض، {when}. {text}",
        "english": "ليس كل هذا متاحاً بلغتك؛ والباقي بالإنجليزية.",
        "state.granted": "سارية",
        "state.not_yet_valid": "تبدأ لاحقاً",
        "state.expired": "منتهية: انتهى الوقت",
        "state.revoked": "أوقفتها أنت",
        "state.replaced": "منتهية: حلّت محلها موافقتك الأحدث",
        "state.suspended": "أوقفتها مؤقتاً",
        "state.closed": "انتهت إلى الأبد",
        "state.form_superseded": "منتهية: تغير النموذج",
        "state.record_retracted": "منتهية: سحبت المؤسسة الحالة",
        "state.controller_not_listed": "لا تسري: المؤسسة لم تعد في القائمة العامة",
        "state.recipient_suspended": "لا تسري الآن: هذه الجهة موقوفة",
        "state.further_consent_needed": "لا تسري بعد: يجب أن يوافق شخص آخر أيضاً",
        "state.stopped_by_another": "منتهية: أوقفها شخص يقرر معك",
        "state.unknown": "غير معروف الآن",
        "state.no_consent": "ليست في السجل العام",
        "state.awaiting_confirmations": "في الطريق: ليست في السجل العام بعد",
        "case": "الحالة",
        "who": "من",
        "for": "لأي غرض",
        "where": "أين",
        "until": "حتى",
        "state": "الوضع",
        "consent": "الموافقة",
        "none": "لا توجد موافقة بعد",
        "anybody": "أي جهة توافق عليها المؤسسة",
        "form_changed": "تغير النموذج",
        "nothing_ends": "لا تنتهي أي موافقة خلال {days} يوماً.",
        "no_case": "لا تعرف هذه المحفظة أي حالة بعد. {command} يجيب عن دعوة.",
        "form_ended": "لدى {who} نموذج جديد. ما سمحت به بموجب النموذج القديم لم يعد سارياً.",
        "form_counts": "لدى {who} نموذج جديد. ما سمحت به لا يزال سارياً.",
        "terms_changed": "تغير ما يقوله أحد الأماكن عن المشاركة. ليس لدى {who} بعد نموذج جديد يمكنك الموافقة بموجبه.",
        "places": "لم يعد سارياً في: {places}.",
        "changes": "ما الذي تغير ({removed} حُذف، و{added} جديد):",
        "removed": "حُذف:",
        "added": "جديد:",
        "before": "قبل:",
        "now": "الآن:",
        "other": "النص بهذه اللغة كما كان؛ وفي لغة أخرى ليس كذلك.",
        "same": "ما بقي كما كان: {count}",
        "sign": "ما ستوقّعه:",
        "renew": "هل توافق من جديد بموجب النموذج الجديد؟",
        "under_way": "لقد وافقت من جديد بموجب النموذج الجديد. {state}",
        "finish": "هل تُنهي الموافقة القديمة الآن؟",
        "taken": "وصلت موافقتك الجديدة إلى الخدمة.",
        "old_ended": "انتهت الموافقة القديمة.",
        "old_stays": "تبقى القديمة كما كانت حتى تسري الجديدة، وحينها ينهيها الأمر نفسه.",
        "reason.permitted": "هذا مسموح به.",
        "reason.unknown_record": "لا توجد حالة كهذه.",
        "reason.controller_not_listed": "المؤسسة ليست في القائمة العامة.",
        "reason.record_retracted": "سحبت المؤسسة الحالة.",
        "reason.no_consent": "أنت لم تسمح به.",
        "reason.not_yet_valid": "موافقتك تبدأ لاحقاً.",
        "reason.expired": "كان وقت موافقتك قد انتهى.",
        "reason.revoked": "كنت قد أوقفته.",
        "reason.suspended": "كنت قد أوقفته مؤقتاً.",
        "reason.closed": "كنت قد أنهيت الحالة.",
        "reason.recipient_not_covered": "أنت لم تسمح به لهذه الجهة.",
        "reason.recipient_suspended": "هذه الجهة موقوفة الآن.",
        "reason.purpose_not_covered": "أنت لم تسمح بهذا الاستخدام.",
        "reason.needs_review": "يجب أن ينظر شخص في هذا الاستخدام أولاً.",
        "reason.channel_not_covered": "أنت لم تسمح بهذا المكان.",
        "reason.item_not_covered": "أنت لم تسمح بهذا الملف.",
        "reason.content_changed": "لم يكن هذا هو الملف الذي رأيته.",
        "reason.form_superseded": "كان النموذج قد تغير.",
        "reason.further_consent_needed": "لم يكن شخص آخر قد وافق بعد.",
        "reason.awaiting_confirmations": "لم يكن ذلك ثابتاً في السجل العام بعد.",
        "reason.stale_ledger": "لم يكن السجل العام محدّثاً، لذلك كان الجواب لا.",
        "reason.ledger_unavailable": "لم يمكن قراءة السجل العام، لذلك كان الجواب لا.",
        "reason.other": "رُفض الطلب.",
        "looked.decision": "سألت عن إمكان الاستخدام",
        "looked.release": "طلبت الملفات",
        "looked.outcome": "استلمت الملفات",
        "when": "متى (UTC)",
        "what": "ماذا",
        "reply": "الجواب",
        "yes": "نعم",
        "no": "لا. {why}",
        "nobody": "لم يسأل أحد بعد.",
    },
}  # fmt: skip
"""What is printed around sentences and forms; the sentences themselves are from `ledger.summary`.

The words of states and reasons are those of the page.
"""


def say(language: str, phrase: str, **values: str) -> str:
    """A phrase in a language. In Arabic each value runs in its own direction."""
    if language == "ar":
        values = {name: f"\u2068{value}\u2069" for name, value in values.items()}
    return WORDS[language][phrase].format(**values)


def known(language: str) -> str:
    """Check a language that a person named; none is that of the text.

    Raises:
        UnknownCode: there are no sentences in it.
    """
    from ledger.errors import UnknownCode

    if language and language not in WORDS:
        raise UnknownCode(f"There are no sentences in this language. Known are {', '.join(WORDS)}.")
    return language


def in_language(texts: Any, language: str) -> str:
    """A text in a language, or in English where it has no words in that one."""
    return str(texts.get(language, texts["en"]))


def untranslated(language: str, *texts: Any) -> None:
    """Print that one of the texts is not in the language that was asked for, if so."""
    if any(language not in text for text in texts):
        out.print(f"  ({say(language, 'english')})")


def state_words(language: str, state: str) -> str:
    """A consent's state in words."""
    phrase = f"state.{state}"
    return say(language, phrase if phrase in WORDS[language] else "state.unknown")


def reason_words(language: str, reason: str) -> str:
    """Why the answer was no, in words."""
    phrase = f"reason.{reason}"
    return say(language, phrase if phrase in WORDS[language] else "reason.other")


def coded(codes: Any, find: Any, language: str) -> str:
    """Codes of a vocabulary in words, as a list; one that it does not know stands as it is.

    Args:
        find: `vocabulary.purpose` or `vocabulary.channel`.
    """
    from ledger.errors import UnknownCode

    said = []
    for code in codes:
        try:
            said.append(find(code).label(language))
        except UnknownCode:
            said.append(code)
    return ("، " if language == "ar" else ", ").join(said)
