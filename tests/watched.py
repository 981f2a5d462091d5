"""Storage that writes down what passes the laptop, and counts what is paid for."""

from collections import Counter
from dataclasses import dataclass

from aiohttp import web

from tests.emulator.azurite import Azurite
from tests.emulator.front import REFUSALS, Proxy, refusal


@dataclass(frozen=True)
class Passed:
    """A request of the laptop's, and the bytes of its body and of the answer's."""

    method: str
    path: str
    up: int
    down: int


class Watched(Proxy):
    """Storage that writes down what passes the laptop, whose clients say that they are Microsoft's."""

    def __init__(self, behind: Azurite) -> None:
        super().__init__(behind)
        self.passed: list[Passed] = []
        self.operations: Counter[str] = Counter()
        """All requests, of laptop and nodes, by what they are billed as."""
        self.may_sign = True

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self.may_sign and request.query.get("comp") == "userdelegationkey":
            return refusal(REFUSALS["AuthorizationPermissionMismatch"], {})
        self.operations[billed_as(request)] += 1
        answer = await super()._pass_on(request)
        if "azsdk-python" in request.headers.get("User-Agent", ""):
            assert isinstance(answer, web.Response)
            up, down = len(await request.read()), len(answer.body or b"")  # type: ignore[arg-type] # as the proxy makes it
            self.passed.append(Passed(request.method, request.path, up, down))
        return answer


def billed_as(request: web.BaseRequest) -> str:
    """Which operations a request counts as, in a general-purpose v2 account; a list costs as much as a write.

    https://learn.microsoft.com/azure/storage/blobs/map-rest-apis-transaction-categories
    """
    what = request.query.get("comp", "")
    if request.method == "DELETE":
        return "free"
    if what == "list" or (request.method == "PUT" and what in ("", "block", "blocklist")):
        return "writes"
    return "reads" if request.method == "GET" and not what else "others"
