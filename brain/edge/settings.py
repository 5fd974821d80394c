"""What a settings file says of a gateway: the table ``[edge]``."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from collectors import is_mqtt_url


class EdgeSettings(BaseModel):
    """How ``brain edge`` reaches the cloud. Enrolled, it needs none of this."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(
        None, description="broker to forward to, mqtts://[user:password@]address:port; none: that of the enrolment"
    )
    gateway: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="our key and client id; none: that of the enrolment"
    )
    ca_file: Path | None = Field(None, description="with url: certificates to trust; else those of the system")
    certificate_file: Path | None = Field(None, description="with url: our own certificate, where the broker asks")
    key_file: Path | None = Field(None, description="private key of certificate_file")
    format: Literal["batch", "native"] = Field(
        "batch", description="batch: few bytes a reading; native: JSON, for a broker that is not ours"
    )
    gather_s: float = Field(1.0, ge=0, le=60, description="how long readings may wait for others to travel with")
    settle_s: float = Field(
        15.0,
        ge=0,
        description="readings acknowledged within this time before a connection broke are sent again: "
        "longer than the broker takes to write to its disk",
    )
    batch_readings: int = Field(10_000, ge=1, le=50_000, description="readings a message at most")
    drop_oldest: bool = Field(
        False, description="at spool_max_gb give up the oldest readings instead of holding the machines' back"
    )

    @field_validator("url")
    @classmethod
    def _mqtt(cls, url: str | None) -> str | None:
        if url is not None and not is_mqtt_url(url):
            raise ValueError("must look like mqtts://address:port or mqtt://address:port")
        return url
