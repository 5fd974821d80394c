// An OPC UA server that is not ours (node-opcua): a machine that measures, and remembers all of it in a file.
// node opcua_server.js PORT FILE; every measurement is a line "signal milliseconds value" before it is published.
// It takes few nodes a call and hands out few references and values at a time, as small PLCs do.
"use strict";
const fs = require("fs");
const path = require("path");
const { OPCUAServer, RegisterServerMethod, OPCUACertificateManager, Variant, DataType, StatusCodes, VariantArrayType } =
    parts();

// The parts of node-opcua are packages of their own.
function parts() {
    return {
        ...require("node-opcua-server"),
        ...require("node-opcua-certificate-manager"),
        ...require("node-opcua-variant"),
        ...require("node-opcua-status-code"),
    };
}

const SIGNALS = ["current_u", "voltage_uv", "winding_temperature", "power"];
const PERIOD_MS = 50;
const HIDDEN = 30; // more than one page of references

async function main() {
    const port = Number(process.argv[2]);
    const file = process.argv[3];
    const rootFolder = path.join(path.dirname(file), "node-pki");
    const certificates = new OPCUACertificateManager({ rootFolder, automaticallyAcceptUnknownCertificate: true });
    const server = new OPCUAServer({
        port,
        hostname: "127.0.0.1",
        resourcePath: "/plant",
        serverCertificateManager: certificates,
        userCertificateManager: certificates,
        registerServerMethod: RegisterServerMethod.HIDDEN,
        serverInfo: { applicationUri: "urn:test:node-opcua" },
        serverCapabilities: {
            maxBrowseContinuationPoints: 2,
            maxHistoryContinuationPoints: 2,
            operationLimits: {
                maxNodesPerRead: 3,
                maxNodesPerBrowse: 2,
                maxMonitoredItemsPerCall: 3,
                maxNodesPerHistoryReadData: 2,
            },
        },
    });
    await server.initialize();
    const space = server.engine.addressSpace;
    const namespace = space.getOwnNamespace();
    let parent = space.rootFolder.objects;
    for (const name of ["faults", "line-1", "m00"]) {
        parent = namespace.addFolder(parent, { browseName: name, nodeId: `s=folder/${name}` });
    }
    for (let number = 0; number < HIDDEN; number++) {
        namespace.addObject({ organizedBy: parent, browseName: `part ${number}` });
    }
    namespace.addVariable({
        componentOf: parent, browseName: "waveform", dataType: "Double", valueRank: 1,
        value: new Variant({ dataType: DataType.Double, arrayType: VariantArrayType.Array, value: [1, 2, 3] }),
    });
    const variables = {};
    for (const name of SIGNALS) {
        const variable = namespace.addVariable({
            componentOf: parent, browseName: name, nodeId: `s=${name}`, dataType: "Double",
            accessLevel: "CurrentRead | HistoryRead", userAccessLevel: "CurrentRead | HistoryRead",
        });
        space.installHistoricalDataNode(variable, { maxOnlineValues: 1000000 });
        variables[name] = variable;
    }
    const publish = (name, milliseconds, value) => variables[name].setValueFromSource(
        { dataType: DataType.Double, value }, StatusCodes.Good, new Date(milliseconds)
    );
    let number = 0;
    for (const line of fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n") : []) {
        const [name, milliseconds, value] = line.split(" ");
        if (value !== undefined) {
            publish(name, Number(milliseconds), Number(value));
            number = Math.max(number, Number(value) + 1);
        }
    }
    const log = fs.openSync(file, "a");
    await server.start();
    console.log("serving");
    setInterval(() => {
        const now = Date.now();
        fs.writeSync(log, SIGNALS.map((name) => `${name} ${now} ${number}\n`).join(""));
        for (const name of SIGNALS) publish(name, now, number);
        number += 1;
    }, PERIOD_MS);
}

main().catch((problem) => {
    console.error(problem);
    process.exit(1);
});
