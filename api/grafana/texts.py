"""What dashboards and alerts say, in English and Chinese."""

from typing import Literal

from api.console.texts import TEXTS as CONSOLE_TEXTS
from plant import Quality, fault_library, template_library

Language = Literal["en", "zh"]

TEXTS: dict[str, tuple[str, str]] = {
    # dashboards
    "folder": ("Industry Brain", "产业大脑"),
    "alert_folder": ("Industry Brain alerts", "产业大脑报警"),
    "fleet": ("Fleet", "设备总览"),
    "fleet_about": ("Which machines need somebody, the riskiest first.", "哪些设备需要处理，风险高的在前。"),
    "machine": ("Machine", "设备"),
    "machine_about": ("One machine: condition, trends, findings, jobs.", "单台设备：状态、趋势、诊断结论、工单。"),
    "kpis": ("Plant KPIs", "工厂指标"),
    "kpis_about": ("What stopped unplanned, and what it cost.", "非计划停机及其损失。"),
    "pipeline": ("Data pipeline", "数据通道"),
    "pipeline_about": ("Whether readings arrive and are stored.", "读数是否到达并入库。"),
    "console": ("Console", "控制台"),
    "open_machine": ("Open the machine's dashboard", "打开该设备的仪表板"),
    "open_console": ("Open in the console", "在控制台中打开"),
    # variables
    "tenant": ("Tenant", "租户"),
    "site": ("Site", "工厂"),
    "signal": ("Signal", "信号"),
    "statistic": ("Value", "取值"),
    "average": ("average", "平均值"),
    "minimum": ("minimum", "最小值"),
    "maximum": ("maximum", "最大值"),
    # rows and panels
    "now": ("Now", "当前"),
    "over_time": ("Over time", "随时间变化"),
    "trends": ("Trends", "趋势"),
    "history": ("History", "历史"),
    "fleet_counts": ("Machines", "设备数量"),
    "fleet_ranking": ("Machines, riskiest first", "设备（按风险排序）"),
    "fleet_states": ("Machines by state", "各状态设备数"),
    "fleet_alarms_raised": ("Alarms raised", "触发的报警"),
    "fleet_alarms_active": ("Active alarms", "活动报警"),
    "machine_condition": ("Condition", "设备状况"),
    "machine_states": ("States", "状态"),
    "machine_findings": ("Findings", "诊断结论"),
    "machine_alarms": ("Alarms", "报警"),
    "machine_signals": ("Newest readings", "最新读数"),
    "machine_jobs": ("Work orders", "工单"),
    "currents": ("Currents", "电流"),
    "voltages": ("Voltages", "电压"),
    "temperatures": ("Temperatures", "温度"),
    "vibration": ("Vibration", "振动"),
    "other_signals": ("Other signals", "其他信号"),
    "kpis_by_site": ("KPIs of the range, by site", "所选时段各工厂指标"),
    "kpis_by_site_about": (
        "Empty where less than an hour or 5 % of the range was seen. Without a failure MTBF is a lower bound at 95 %.",
        "可见时间不足一小时或不足时段的5%时为空。无故障时MTBF为95%置信度的下限。",
    ),
    "kpis_downtime": ("Unplanned downtime", "非计划停机"),
    "kpis_pareto": ("Unplanned downtime by reason", "非计划停机原因"),
    "kpis_worst": ("Machines whose stops cost most", "停机损失最大的设备"),
    "pipeline_now": ("Arrival and storage", "到达与入库"),
    "pipeline_rate": ("Readings stored a minute", "每分钟入库读数"),
    "pipeline_silent": ("Machines that send nothing", "无数据的设备"),
    "pipeline_quarantine": ("Messages put in quarantine", "被隔离的消息"),
    "pipeline_quarantined": ("Newest in quarantine", "最近隔离的消息"),
    # columns
    "machine_id": ("Number", "编号"),
    "machines": ("Machines", "设备数"),
    "operating": ("Operating", "运行中"),
    "off_line_machines": ("Off-line", "离线"),
    "at_risk": ("At risk", "有风险"),
    "active_alarms": ("Active alarms", "活动报警"),
    "name": ("Name", "名称"),
    "line": ("Line", "产线"),
    "state": ("State", "状态"),
    "health": ("Health", "健康度"),
    "risk": ("Risk", "风险"),
    "failure_mode": ("Failure mode", "故障模式"),
    "probability": ("Sure", "置信度"),
    "act_before": ("Act before", "处理期限"),
    "judged_at": ("Judged", "判断时间"),
    "limit_key": ("Limit", "限值"),
    "severity": ("Severity", "级别"),
    "raised_at": ("Raised", "触发"),
    "cleared_at": ("Cleared", "解除"),
    "value": ("Value", "值"),
    "threshold": ("Threshold", "阈值"),
    "acknowledged_by": ("Acknowledged by", "确认人"),
    "reading_age_s": ("Age of the newest reading", "最新读数距今"),
    "opened_at": ("Opened", "开始"),
    "closed_at": ("Closed", "结束"),
    "unit": ("Unit", "单位"),
    "measured_at": ("Measured", "测量时间"),
    "quality": ("Quality", "质量"),
    "kind": ("Kind", "类型"),
    "job_state": ("State", "状态"),
    "title": ("Title", "标题"),
    "cost": ("Cost", "费用"),
    "availability": ("Availability", "可用率"),
    "mtbf_h": ("MTBF", "平均无故障时间"),
    "mttr_h": ("MTTR", "平均修复时间"),
    "failures": ("Failures", "故障次数"),
    "unplanned_h": ("Unplanned", "非计划停机"),
    "planned_h": ("Planned", "计划停机"),
    "downtime_cost": ("Cost of unplanned downtime", "非计划停机损失"),
    "maintenance_cost": ("Maintenance cost", "维护成本"),
    "currency": ("Currency", "币种"),
    "networked_share": ("Networked", "设备联网率"),
    "coverage": ("Seen", "可见"),
    "reason": ("Reason", "原因"),
    "stops": ("Stops", "停机次数"),
    "newest_age_s": ("Newest reading is old", "最新读数距今"),
    "commit_age_s": ("Last commit was ago", "最近入库距今"),
    "sending": ("Machines sending", "有数据的设备"),
    "silent": ("Machines silent", "无数据的设备"),
    "received_at": ("Received", "接收时间"),
    "source": ("Source", "来源"),
    "address": ("Address", "地址"),
    "quarantine_reason": ("Reason", "原因"),
    "detail": ("Detail", "详情"),
    # words in columns
    "critical": ("critical", "危急"),
    "alarm": ("alarm", "报警"),
    "warning": ("warning", "预警"),
    "notice": ("notice", "提示"),
    "good": ("good", "好"),
    "uncertain": ("uncertain", "不确定"),
    "bad": ("bad", "坏"),
    "unknown": ("not known", "未知"),
    "corrective": ("corrective", "纠正性"),
    "preventive": ("preventive", "预防性"),
    "condition_based": ("condition-based", "基于状态"),
    "inspection": ("inspection", "点检"),
    "open": ("open", "待处理"),
    "in_progress": ("in progress", "处理中"),
    "done": ("done", "完成"),
    "cancelled": ("cancelled", "取消"),
    # alert rules; {{ }} is filled by Grafana
    "link_lost": ("Machines send nothing", "设备无数据"),
    "link_lost_summary": (
        "{{ .Labels.site }}: {{ printf \"%.0f\" .Values.A.Value }} machines have sent nothing for five minutes",
        "{{ .Labels.site }}：{{ printf \"%.0f\" .Values.A.Value }} 台设备已五分钟无数据",
    ),
    "link_lost_advice": (
        "A whole site: look at the collector, the broker and the network (`brain doctor`). A few: at the devices.",
        "整个工厂无数据：检查采集、消息代理和网络（`brain doctor`）。个别设备：检查设备本身。",
    ),
    "writer_behind": ("The writer is behind", "入库滞后"),
    "writer_behind_summary": (
        "Readings are stored {{ printf \"%.0f\" .Values.A.Value }} s after they were measured",
        "读数在测量 {{ printf \"%.0f\" .Values.A.Value }} 秒后才入库",
    ),
    "writer_behind_advice": (
        "Nothing is lost while the spool has room. Look at the database's disk and load, or add `workers`.",
        "缓存有空间时不会丢失数据。检查数据库磁盘与负载，或增加 `workers`。",
    ),
    "machine_at_risk": ("A machine is at risk", "设备有风险"),
    "machine_at_risk_summary": (
        "{{ .Labels.site }} {{ .Labels.machine }}: {{ .Labels.failure_mode }}",
        "{{ .Labels.site }} {{ .Labels.machine }}：{{ .Labels.failure_mode }}",
    ),
    "machine_at_risk_advice": (
        "The console shows evidence, what to do and by when.",
        "控制台给出证据、处理建议和期限。",
    ),
    "alarm_flood": ("Alarm flood", "报警泛滥"),
    "alarm_flood_summary": (
        "{{ .Labels.site }}: {{ printf \"%.0f\" .Values.A.Value }} alarms in ten minutes",
        "{{ .Labels.site }}：十分钟内 {{ printf \"%.0f\" .Values.A.Value }} 条报警",
    ),
    "alarm_flood_advice": (
        "Look for one cause behind them, such as power or cooling, before going through them one by one.",
        "先查找共同原因（如供电或冷却），再逐条处理。",
    ),
}  # fmt: skip

STATES = ("running", "idle", "starting", "stopped", "down", "maintenance", "off_line")


def say(key: str, language: Language) -> str:
    """A text in a language; ``KeyError`` for one that nobody wrote."""
    return TEXTS[key][0 if language == "en" else 1]


def words(name: str, language: Language) -> dict[str, str]:
    """What the keys in a column stand for: states, failure modes, limits and fixed words."""
    chinese = language == "zh"
    match name:
        case "state":
            return {key: CONSOLE_TEXTS[key][chinese] for key in STATES}
        case "failure_mode" | "reason":
            named = {fault.key: fault.name_zh if chinese else fault.name_en for fault in fault_library().values()}
            return named | ({"unknown": say("unknown", language)} if name == "reason" else {})
        case "limit_key":
            limits = (limit for template in template_library().values() for limit in template.limits)
            return {limit.key: limit.name_zh if chinese else limit.name_en for limit in limits}
        case "quality":
            return {str(quality.value): say(quality.name.lower(), language) for quality in Quality}
        case _:
            return {key: say(key, language) for key in FIXED_WORDS[name]}


FIXED_WORDS: dict[str, tuple[str, ...]] = {
    "severity": ("critical", "alarm", "warning", "notice"),
    "kind": ("corrective", "preventive", "condition_based", "inspection"),
    "job_state": ("open", "in_progress", "done", "cancelled"),
}
