"""Units of measurement: UCUM code, name, and OPC UA EUInformation id."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as it is written and exchanged.

    code: UCUM code, the one word used inside the project
    symbol: as a person reads it
    name_zh, name_en: in words
    unece: UNECE Recommendation 20 common code, which OPC UA's EUInformation carries as an int
        (OPC UA Part 8, 5.6.3); empty where there is none
    """

    code: str
    symbol: str
    name_en: str
    name_zh: str
    unece: str

    @property
    def eu_id(self) -> int:
        """UnitId of EUInformation: the bytes of the UNECE code as a big-endian number, -1 for none.

        >>> unit("Cel").eu_id
        4408652
        """
        return int.from_bytes(self.unece.encode("ascii"), "big") if self.unece else -1


UNITS: dict[str, Unit] = {
    entry.code: entry
    for entry in (
        Unit("1", "", "one", "1", "C62"),
        Unit("%", "%", "per cent", "百分比", "P1"),
        Unit("A", "A", "ampere", "安", "AMP"),
        Unit("V", "V", "volt", "伏", "VLT"),
        Unit("Cel", "°C", "degree Celsius", "摄氏度", "CEL"),
        Unit("K", "K", "kelvin", "开", "KEL"),
        Unit("mm/s", "mm/s", "millimetre per second", "毫米每秒", "C16"),
        Unit("g", "g", "standard gravity", "重力加速度", "K40"),
        Unit("kW", "kW", "kilowatt", "千瓦", "KWT"),
        Unit("kW.h", "kWh", "kilowatt hour", "千瓦时", "KWH"),
        Unit("Hz", "Hz", "hertz", "赫兹", "HTZ"),
        Unit("1/min", "1/min", "revolutions per minute", "转每分", "RPM"),
        Unit("bar", "bar", "bar", "巴", "BAR"),
        Unit("L/min", "L/min", "litre per minute", "升每分", "L2"),
        Unit("m3/h", "m³/h", "cubic metre per hour", "立方米每时", "MQH"),
        Unit("h", "h", "hour", "小时", "HUR"),
        Unit("s", "s", "second", "秒", "SEC"),
        Unit("bool", "", "yes or no", "是否", ""),
    )
}


def unit(code: str) -> Unit:
    """The unit of a UCUM code; ``KeyError`` naming the code and the known ones otherwise."""
    try:
        return UNITS[code]
    except KeyError:
        raise KeyError(f"unit {code!r} is not known; known are {', '.join(UNITS)}") from None
