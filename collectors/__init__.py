"""Get readings out of machines: OPC UA, MQTT, Sparkplug B and recorded files.

A collector takes a source from the settings, a directory of known signals and a sink; it hands the sink
column-wise batches, waits until they are durable, and only then acknowledges to the device or broker.
Knows the plant's vocabulary and nothing else of the product.
"""

from collectors.exception_report import ReportByException
from collectors.memory import remembered_workers
from collectors.mqtt import MqttCollector
from collectors.opcua import OpcUaCollector
from collectors.opcua_spot import SpotReading, SpotReport, read_spot
from collectors.recording import Recording, RecordingError, read_recording
from collectors.replay import ReplayCounts, replay_csv
from collectors.sources import MqttSource, OpcUaNode, OpcUaSource, SparkplugSource
from collectors.sparkplug import SparkplugCollector
from collectors.status import CollectorStatus

__all__ = [
    "CollectorStatus",
    "MqttCollector",
    "MqttSource",
    "OpcUaCollector",
    "OpcUaNode",
    "OpcUaSource",
    "Recording",
    "RecordingError",
    "ReplayCounts",
    "ReportByException",
    "SparkplugCollector",
    "SparkplugSource",
    "SpotReading",
    "SpotReport",
    "read_recording",
    "read_spot",
    "remembered_workers",
    "replay_csv",
]
