"""Errors as problem details (RFC 9457): one shape for everything that goes wrong."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

log = structlog.get_logger()


class Problem(Exception):
    """An answer that is an error: status, and one sentence that says what to do.

    detail_zh: the same for the console's pages in Chinese; field: of the request, where one is to blame
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: dict[str, str] | None = None,
        *,
        detail_zh: str = "",
        field: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.detail_zh = detail_zh or detail
        self.headers = headers
        self.field = field


_NAMES_ZH = {
    "alarm": "报警",
    "finding": "诊断",
    "machine": "设备",
    "signal": "测点",
    "site": "厂区",
    "stop": "停机记录",
    "work order": "工单",
}


def not_found(what: str, key: object) -> Problem:
    """404 for an item that the tenant does not have."""
    return Problem(404, f"There is no {what} {key}.", detail_zh=f"{_NAMES_ZH.get(what, what)} {key} 不存在。")


def _answer(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")


def install_problems(app: FastAPI) -> None:
    """Have every error answered as problem details."""

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> JSONResponse:
        more = {"errors": [{"field": error.field, "message": error.detail}]} if error.field else {}
        return _answer(error.status, error.detail, error.headers, **more)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in error.errors()
        ]
        detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
        return _answer(422, detail, errors=jsonable_encoder(errors))

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", path=request.url.path, exc_info=error)
        return _answer(500, "Something went wrong on our side; it has been logged.")
