"""Asking the institution before signing, and saying no."""

import pytest

pytestmark = [pytest.mark.node, pytest.mark.browser]


def test_a_question_is_answered_before_anything_is_signed_and_no_is_an_answer(joined, place):
    device, invitation = joined
    record = place.register(invitation)
    token = place.offer(record)
    hospital = place.institution()
    device.go(f"#invitation={invitation}")
    device.page.get_by_text("You have already answered this invitation.").wait_for()
    device.look("answered-before")
    device.go("#offer=off_made_up")
    device.see("That did not work")
    device.look("error")
    device.go(f"#offer={token}")
    device.see("What you are asked")
    device.page.get_by_text("Ask a question first").click()
    device.page.get_by_label("Your question to", exact=False).fill("Will my neighbours\nrecognise me?")
    device.press("Send my question")
    device.page.get_by_text("There is no answer yet.", exact=False).wait_for()
    assert [entry["text"] for entry in hospital.messages(token)] == ["Will my neighbours recognise me?"]
    hospital.answer(token, "We took out your face and your town.")
    device.go(f"#offer={token}")
    device.see("What you are asked")
    device.page.get_by_text("We took out your face and your town.").wait_for()
    device.look("26-question")
    device.press("Decline everything")
    device.see("Decline everything")
    device.look("27-decline")
    device.press("Decline")
    device.page.get_by_text("You declined. Nothing is shared.").wait_for()
    device.look("declined")
    assert hospital.messages(token)[-1]["kind"] == "decline"
    assert place.client().sign_in(place.keys["hospital"]).get(f"/v1/records/{record}/grants") == []
