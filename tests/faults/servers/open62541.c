/* An OPC UA server that is not ours (open62541): a machine that measures, and remembers all of it in a file.
 * open62541 PORT FILE; every measurement is a line "signal microseconds value" before it is published. */
#include <open62541/plugin/historydata/history_data_backend_memory.h>
#include <open62541/plugin/historydata/history_data_gathering_default.h>
#include <open62541/plugin/historydata/history_database_default.h>
#include <open62541/server.h>
#include <open62541/server_config_default.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNALS = 4, PERIOD_MS = 50, VALUES_A_RESPONSE = 100 };
static const char *const names[SIGNALS] = {"current_u", "voltage_uv", "winding_temperature", "power"};
static UA_NodeId variables[SIGNALS];
static FILE *history;
static long number = 0;

static UA_NodeId add_folder(UA_Server *server, UA_NodeId parent, char *name) {
    UA_NodeId made;
    UA_Server_addObjectNode(server, UA_NODEID_STRING(1, name), parent, UA_NODEID_NUMERIC(0, UA_NS0ID_ORGANIZES),
                            UA_QUALIFIEDNAME(1, name), UA_NODEID_NUMERIC(0, UA_NS0ID_FOLDERTYPE),
                            UA_ObjectAttributes_default, NULL, &made);
    return made;
}

static void publish(UA_Server *server, int which, long long microseconds, double value) {
    UA_DataValue data;
    UA_DataValue_init(&data);
    UA_Variant_setScalar(&data.value, &value, &UA_TYPES[UA_TYPES_DOUBLE]);
    data.hasValue = data.hasSourceTimestamp = data.hasServerTimestamp = true;
    data.sourceTimestamp = data.serverTimestamp = UA_DATETIME_UNIX_EPOCH + microseconds * UA_DATETIME_USEC;
    UA_Server_writeDataValue(server, variables[which], data);
}

static void measure(UA_Server *server, void *unused) {
    (void)unused;
    long long now = (UA_DateTime_now() - UA_DATETIME_UNIX_EPOCH) / UA_DATETIME_USEC;
    for (int which = 0; which < SIGNALS; which++) fprintf(history, "%s %lld %ld\n", names[which], now, number);
    fflush(history);
    for (int which = 0; which < SIGNALS; which++) publish(server, which, now, (double)number);
    number++;
}

static void load(UA_Server *server, const char *path) {
    FILE *file = fopen(path, "r");
    char line[200], name[50];
    long long microseconds;
    long value;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "%49s %lld %ld", name, &microseconds, &value) != 3 || !strchr(line, '\n')) continue;
        for (int which = 0; which < SIGNALS; which++)
            if (strcmp(name, names[which]) == 0) publish(server, which, microseconds, (double)value);
        if (value >= number) number = value + 1;
    }
    if (file) fclose(file);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    UA_Server *server = UA_Server_new();
    UA_ServerConfig *config = UA_Server_getConfig(server);
    UA_ServerConfig_setMinimal(config, (UA_UInt16)atoi(arguments[1]), NULL);
    char url[60];
    snprintf(url, sizeof url, "opc.tcp://127.0.0.1:%s", arguments[1]);
    UA_String_clear(&config->serverUrls[0]);
    config->serverUrls[0] = UA_STRING_ALLOC(url);
    UA_HistoryDataGathering gathering = UA_HistoryDataGathering_Default(SIGNALS);
    config->historyDatabase = UA_HistoryDatabase_default(gathering);

    UA_NodeId folder = add_folder(server, UA_NODEID_NUMERIC(0, UA_NS0ID_OBJECTSFOLDER), "faults");
    folder = add_folder(server, folder, "line-1");
    folder = add_folder(server, folder, "m00");
    UA_HistorizingNodeIdSettings settings;
    memset(&settings, 0, sizeof settings);
    settings.historizingBackend = UA_HistoryDataBackend_Memory(SIGNALS, 100000);
    settings.maxHistoryDataResponseSize = VALUES_A_RESPONSE;
    settings.historizingUpdateStrategy = UA_HISTORIZINGUPDATESTRATEGY_VALUESET;
    for (int which = 0; which < SIGNALS; which++) {
        UA_VariableAttributes attributes = UA_VariableAttributes_default;
        UA_Double nothing = 0;
        UA_Variant_setScalar(&attributes.value, &nothing, &UA_TYPES[UA_TYPES_DOUBLE]);
        attributes.dataType = UA_TYPES[UA_TYPES_DOUBLE].typeId;
        attributes.valueRank = UA_VALUERANK_SCALAR;
        attributes.accessLevel = UA_ACCESSLEVELMASK_READ | UA_ACCESSLEVELMASK_HISTORYREAD;
        attributes.historizing = true;
        char *name = (char *)names[which];
        UA_Server_addVariableNode(server, UA_NODEID_STRING(1, name), folder,
                                  UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT), UA_QUALIFIEDNAME(1, name),
                                  UA_NODEID_NUMERIC(0, UA_NS0ID_BASEDATAVARIABLETYPE), attributes, NULL,
                                  &variables[which]);
        gathering.registerNodeId(server, gathering.context, &variables[which], settings);
    }
    load(server, arguments[2]);
    puts("serving");
    fflush(stdout);
    history = fopen(arguments[2], "a");
    UA_Server_addRepeatedCallback(server, measure, NULL, PERIOD_MS, NULL);
    UA_Server_runUntilInterrupt(server);
    UA_Server_delete(server);
    return 0;
}
