"""Every error Volens raises on purpose.

    VolensError
    ├── InvalidInput        the caller's fault: say what was wrong and what to do
    │   ├── InvalidMessage      a field of a signed message
    │   ├── InvalidFile         a file that is not what it claims to be
    │   └── UnknownCode         a purpose, channel or language nobody defined
    ├── Refused             understood, and the answer is no
    │   ├── BadSignature        signed by another key, or not at all
    │   ├── NotAuthorised       the decision was deny
    │   ├── NotFound            no such object, or not yours: the two are never told apart
    │   ├── Conflict            it contradicts what is already stored
    │   ├── Erased              it was erased; only who was party to it is told
    │   └── Expired             too late: a deadline, a token or an invitation has passed
    ├── Unavailable         nobody's fault: try again
    │   ├── LedgerUnavailable   the chain cannot be reached or contradicts itself
    │   ├── StaleLedger         the newest block is too old to answer from
    │   └── TooManyRequests     more than one address or party may ask for
    └── Untrusted           the world is not the one we were set up for: an operator must act
        ├── WrongChain          another chain, genesis or contract code
        └── InvalidProof        a proof, bundle or log that does not hold

Messages are written for the person who reads them: one sentence that says what was wrong and, where it
helps, one that says what to do. They never contain a secret, a name or the text of a consent.
"""


class VolensError(Exception):
    """The root of all errors raised on purpose.

    Attributes:
        code: stable, machine-readable name of the kind of error.
        exit_code: what a command that ends with this error returns to the shell.
    """

    code = "error"
    exit_code = 1


class InvalidInput(VolensError):
    code = "invalid_input"
    exit_code = 2


class InvalidMessage(InvalidInput):
    """A field of a signed message is wrong. `field` is its path, for example ``grants[0].validUntil``."""

    code = "invalid_message"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def within(self, parent: str) -> "InvalidMessage":
        """The same error, seen from the message that contains the field."""
        return InvalidMessage(f"{parent}.{self.field}", self.problem)


class InvalidFile(InvalidInput):
    code = "invalid_file"


class UnknownCode(InvalidInput):
    """A code that no vocabulary defines. The message lists the known ones."""

    code = "unknown_code"


class Refused(VolensError):
    code = "refused"
    exit_code = 3


class BadSignature(Refused):
    code = "bad_signature"


class NotAuthorised(Refused):
    """The decision was deny. `reason` is the stable reason string of the decision."""

    code = "not_authorised"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotFound(Refused):
    code = "not_found"


class Conflict(Refused):
    code = "conflict"


class Erased(Refused):
    code = "erased"


class Expired(Refused):
    code = "expired"


class Unavailable(VolensError):
    code = "unavailable"
    exit_code = 4


class LedgerUnavailable(Unavailable):
    """`node` is where one was looked for, if none answers: for who runs a command, never for who asks a service."""

    code = "ledger_unavailable"

    def __init__(self, message: str, node: str = "") -> None:
        super().__init__(message)
        self.node = node


class StaleLedger(Unavailable):
    code = "stale_ledger"


class TooManyRequests(Unavailable):
    """More was asked for than one may. `retry_after` is in how many seconds there will be room."""

    code = "too_many_requests"

    def __init__(self, message: str, retry_after: float = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Untrusted(VolensError):
    code = "untrusted"
    exit_code = 5


class WrongChain(Untrusted):
    code = "wrong_chain"


class InvalidProof(Untrusted):
    code = "invalid_proof"
