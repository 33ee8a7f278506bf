/* hub_config.c - the table of the hub's configuration. */
#include "hub/core/hub_config.h"
#include <stddef.h>

#define AT(field) offsetof(struct hub_config, field)

const struct conf_item HUB_CONFIG[] = {
    /* clang-format off */
    {"data", CONF_PATH, 1, 4000, AT(data), CONF_REQUIRED, NULL,
     "保管庫のフォルダー", "folder of the store", NULL, 0, NULL},
    {"state", CONF_PATH, 1, 4000, AT(state), CONF_REQUIRED, NULL,
     "末尾の控えと署名の状態のフォルダー(保管庫の外)", "folder of the tail anchor and the signer's state (not inside data)", NULL, 0, NULL},
    {"keys.hub", CONF_PATH, 1, 4000, AT(hub_key), CONF_REQUIRED, NULL,
     "ハブの鍵", "the hub's key file", NULL, 0, NULL},
    {"keys.log", CONF_PATH, 1, 4000, AT(log_key), CONF_REQUIRED, NULL,
     "監査記録の署名鍵", "key file that signs the log", NULL, 0, NULL},
    {"keys.kek", CONF_PATH, 1, 4000, AT(kek), CONF_REQUIRED, NULL,
     "保管庫の鍵を包む鍵(なければ作る)", "key-encryption key, made if absent", NULL, 0, NULL},
    {"registry.agencies", CONF_PATH, 1, 4000, AT(agencies), CONF_REQUIRED | CONF_RELOAD, NULL,
     "機関の表", "table of agencies", NULL, 0, NULL},
    {"registry.municipalities", CONF_PATH, 1, 4000, AT(municipalities), CONF_REQUIRED | CONF_RELOAD, NULL,
     "都道府県と市町村の表", "table of prefectures and municipalities", NULL, 0, NULL},
    {"registry.nodes", CONF_PATH, 1, 4000, AT(nodes), CONF_REQUIRED | CONF_RELOAD, NULL,
     "接続の表(tsunagi node が書く)", "table of nodes, written by `tsunagi node`", NULL, 0, NULL},
    {"policy", CONF_PATH, 1, 4000, AT(policy), CONF_REQUIRED, NULL,
     "最初に使う方針の表のフォルダー(署名済み)", "folder of the policy pack a new hub begins with, signed", NULL, 0, NULL},
    {"approvers", CONF_PATH, 1, 4000, AT(approvers), CONF_REQUIRED, NULL,
     "方針を承認できる人の表", "table of those who may approve a policy", NULL, 0, NULL},
    {"endpoint.urgent", CONF_STR, 1, 127, AT(urgent), CONF_REQUIRED, NULL,
     "緊急の回線", "address of the urgent lane, tcp://host:port", NULL, 0, NULL},
    {"endpoint.normal", CONF_STR, 1, 127, AT(normal), CONF_REQUIRED, NULL,
     "通常の回線", "address of the normal lane", NULL, 0, NULL},
    {"control", CONF_PATH, 1, 100, AT(control), CONF_REQUIRED, NULL,
     "操作用のソケット", "local control socket", NULL, 0, NULL},
    {"origin", CONF_STR, 1, 120, AT(origin), CONF_REQUIRED, NULL,
     "監査記録の名前(C2SP origin)", "name of the log (C2SP origin)", NULL, 0, NULL},
    {"fictitious", CONF_BOOL, 0, 0, AT(fictitious), 0, "false",
     "架空の都道府県49を許す(練習用)", "accept the fictitious prefecture 49", NULL, 0, NULL},
    {"limit.rate", CONF_INT, 1, 1000000, AT(rate), 0, "20000",
     "一つの接続が一秒に送れる数", "events a second from one node", NULL, 0, NULL},
    {"limit.burst", CONF_INT, 1, 1000000, AT(burst), 0, "40000",
     "続けて送れる数", "burst of one node", NULL, 0, NULL},
    {NULL, CONF_STR, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, NULL},
}; /* clang-format on */
