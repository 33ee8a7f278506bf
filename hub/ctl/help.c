/* help.c - help, man page and completion, all from the table of commands. */
#include "hub/ctl/ctl.h"
#include <string.h>

static const struct {
    const char *name, *arg, *ja, *en;
} OPTION_HELP[] = {
    {"config", "FILE", "設定ファイル", "configuration file"},
    {"dir", "D", "demo up で作った地域", "a region made by demo up"},
    {"node", "NAME", "その地域の接続の名前", "a node of that region"},
    {"agency", "CODE", "機関コード", "agency code"},
    {"out", "FILE", "書き出す先", "where to write"},
    {"exec", "CMD", "一件ごとに動かす命令(標準入力にJSON)",
     "command run for each, JSON on its stdin"},
    {"person", "ID", "自機関での本人の番号(- 標準入力、@FILE ファイル)",
     "the person's number at this agency (-: stdin, @FILE)"},
    {"persons", "FILE", "自機関の番号の一覧(一行に一人)。符号を番号に戻す",
     "numbers at this agency, one a line, to name tokens by"},
    {"token", "HEX", "本人の符号(届いた知らせにあるもの)",
     "the person's token, as on a delivery"},
    {"actor", "ID", "行う職員(自機関での呼び名か番号)",
     "who acts: any name here, or a handle (HEX)"},
    {"reason", "CODE",
     "理由(緊急閲覧: LIFE_SELF など。命令書: 書かずに試すと一覧が出る)",
     "break-glass: LIFE_SELF, LIFE_OTHER, UNCONSCIOUS, NO_GUARDIAN_PRESENT; an "
     "order without it lists its own"},
    {"asked-on", "DATE", "消去の求めがあった日(なければ今日)",
     "day of the request (today)"},
    {"asked-by", "CODE", "求めを受け付けた機関(なければ --agency)",
     "agency that took the request (--agency)"},
    {"urgent", "", "夜を待たずに消す", "do not wait for the night"},
    {"leaves", "N,N", "報告で待たせる行の証明番号",
     "proof numbers of the rows that wait"},
    {"basis", "LB_...", "待たせる根拠", "legal basis of the delay"},
    {"new-origin", "NAME", "監査記録の新しい名前", "the log's new name"},
    {"minutes", "N", "開いておく時間(60分まで)", "how long it stays open (60)"},
    {"step-up", "TIME", "二つ目の要素を示した時刻(5分以内)",
     "when the second factor was shown (5 minutes ago at most)"},
    {"preview", "", "送らずに、何が渡るかを見る",
     "send nothing, show what would pass"},
    {"to", "LIST", "渡す先: 機関コードか R_役割[@市区町村]、カンマ区切り",
     "agency codes or R_ROLE[@MUNICIPALITY], by commas"},
    {"except", "LIST", "除く機関", "except these agencies"},
    {"classes", "LIST", "情報の種類(G_...)、カンマ区切り",
     "kinds of data (G_...), by commas"},
    {"giver", "WHO", "SELF, STATUTORY_REP, PARENT, THIRD_PERSON",
     "SELF, STATUTORY_REP, PARENT, THIRD_PERSON"},
    {"method", "HOW", "PAPER, ELECTRONIC_SIGN, ORAL_RECORDED",
     "PAPER, ELECTRONIC_SIGN, ORAL_RECORDED"},
    {"from", "DATE", "いつから", "valid from"},
    {"until", "DATE", "いつまで", "until"},
    {"minor-view", "VIEW", "未成年の本人の意見(MINOR_AGREES など)",
     "the minor's own view (MINOR_AGREES ...)"},
    {"text-version", "TEXT", "説明文の版", "version of the text explained"},
    {"language", "TEXT", "説明した言語・手段",
     "language or aid of the explanation"},
    {"supersedes", "UUID", "置き換える同意", "the consent it replaces"},
    {"paper", "FILE", "同意書の画像など(ハッシュだけを記録)",
     "the paper, scanned; only its hash is recorded"},
    {"authority", "FILE", "代理権を示す書類(ハッシュだけを記録)",
     "paper of representation; only its hash is recorded"},
    {"note", "FILE", "記録の文(- は標準入力)", "what is noted (-: stdin)"},
    {"channel", "HOW", "WITHDRAW_PAPER, _WINDOW, _PHONE",
     "WITHDRAW_PAPER, _WINDOW, _PHONE"},
    {"ground", "GROUND", "SUPPORT_MEASURE, PROTECTION_ORDER, ASKED_BY_PERSON",
     "SUPPORT_MEASURE, PROTECTION_ORDER, ASKED_BY_PERSON"},
    {"resident", "MUNI5", "住所地の市区町村(5桁)", "registered residence"},
    {"present", "MUNI5", "現在地", "present place"},
    {"shikyu", "MUNI5", "支給決定の市区町村",
     "municipality of the benefit decision"},
    {"plan", "MUNI5", "退院後の居住地", "residence after discharge"},
    {"on", "", "保護する", "protect"},
    {"off", "", "保護をやめる", "stop protecting"},
    {"ref", "UUID", "同意、緊急閲覧の番号",
     "number of the consent or break-glass"},
    {"order", "REF", "命令書の番号(証明書にあるもの)",
     "number of an order, as on its certificate"},
    {"purpose", "P_...", "目的", "purpose"},
    {"vkey", "FILE", "記録の検証鍵", "verifier key of the log"},
    {"newest", "", "証人の連署がそろうのを待たず、いちばん新しい先頭で書き出す",
     "the newest head, without a quorum of witnesses"},
    {"policy", "FILE", "証人の方針(手元の控え)",
     "policy of the witnesses, your own copy"},
    {"older", "FILE", "以前に見た先頭(これとの一貫性も確かめる)",
     "an older signed head to be consistent with"},
    {"timeout", "TIME", "待つ時間(ミリ秒、または 10s)",
     "how long to wait (ms, or 10s)"},
    {"limit", "N", "件数の上限", "how many at most"},
    {"key", "FILE.key", "署名に使う鍵", "key file to sign with"},
    {"number", "N", "方針の版(省けば、前の版の次)",
     "version of the policy (else one above the last)"},
    {"not-before", "TIME", "効き始める日時(2026-04-01T00:00:00+09:00)",
     "when it may begin to act (2026-04-01T00:00:00+09:00)"},
    {"origin", "NAME", "ハブの監査記録の名前", "name of the hub's log"},
    {"day", "DATE", "その日の時点で見る(省けば今日)",
     "look at it as of that day (else today)"},
    {"tsv", "", "一行一件の表で出す", "print a table, one a line"},
    {"json", "", "JSONで出す", "print JSON"},
    {"stream", "", "標準入力の一行一件を送る",
     "one JSON event a line on stdin"},
    {"follow", "", "届くたびに続ける", "go on as more arrives"},
    {"what", "KIND", "data(保管庫)、keyring(包んだ鍵)、all",
     "data (the store), keyring (wrapped keys) or all"},
    {"all", "", "済んだものも/すべて", "also what is done; everything"},
    {"yes", "", "確かめずに進める", "do not ask"},
    {"man", "", "manページを出す", "print the man page"},
    {"completion", "", "bashの補完を出す", "print bash completion"},
};

static bool has_option(const struct command *cmd, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = cmd->options; (p = strstr(p, name)) != NULL; p += n)
        if ((p == cmd->options || p[-1] == ' ') &&
            (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static void synopsis(const struct command *cmd, FILE *out)
{
    fprintf(out, "tsunagi %s%s%s%s%s", cmd->group,
            cmd->name[0] != '\0' ? " " : "", cmd->name,
            cmd->words[0] != '\0' ? " " : "", cmd->words);
}

static void help_all(const struct ctl *c, FILE *out)
{
    fputs(say(c, "tsunagi - つなぎハブの操作\n\n",
              "tsunagi - operate the Tsunagi hub\n\n"),
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *cmd = &COMMANDS[i];
        char left[80];
        snprintf(left, sizeof(left), "%s %s %s", cmd->group, cmd->name,
                 cmd->words);
        fprintf(out, "  %-34s %s\n", left, say(c, cmd->ja, cmd->en));
    }
    fputs(say(c,
              "\n命令ごとの説明: tsunagi help 命令\n"
              "終了値: 0 成功 1 想定外 2 使い方・内容 3 設定 4 届かない 5 "
              "許可なし "
              "6 ない 7 競合 8 一部だけ 9 記録の異常\n",
              "\nMore on a command: tsunagi help COMMAND\n"
              "Exit: 0 ok 1 unexpected 2 usage or content 3 configuration 4 "
              "unreachable "
              "5 not permitted 6 not found 7 conflict 8 partly 9 integrity\n"),
          out);
}

static void help_one(const struct ctl *c, const struct command *cmd, FILE *out)
{
    synopsis(cmd, out);
    fprintf(out, "\n  %s\n", say(c, cmd->ja, cmd->en));
    for (size_t i = 0; i < NELEM(OPTION_HELP); i++)
        if (has_option(cmd, OPTION_HELP[i].name)) {
            char left[40];
            snprintf(left, sizeof(left), "--%s %s", OPTION_HELP[i].name,
                     OPTION_HELP[i].arg);
            fprintf(out, "    %-18s %s\n", left,
                    say(c, OPTION_HELP[i].ja, OPTION_HELP[i].en));
        }
}

static void man(FILE *out)
{
    fputs(".TH TSUNAGI 1 \"\" \"Tsunagi " TSUNAGI_VERSION "\"\n.SH NAME\n"
          "tsunagi \\- operate the Tsunagi hub and its nodes\n.SH SYNOPSIS\n"
          ".B tsunagi\n.I command\n[options]\n.SH COMMANDS\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fputs(".TP\n.B ", out);
        synopsis(&COMMANDS[i], out);
        fprintf(out, "\n%s.\n", COMMANDS[i].en);
    }
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < NELEM(OPTION_HELP); i++)
        fprintf(out, ".TP\n.B \\-\\-%s %s\n%s.\n", OPTION_HELP[i].name,
                OPTION_HELP[i].arg, OPTION_HELP[i].en);
    fputs(".SH EXIT STATUS\n0 ok, 1 unexpected, 2 usage or content, 3 "
          "configuration "
          "invalid, 4 hub unreachable, 5 not permitted, 6 not found, "
          "7 conflict, 8 partly done, 9 integrity failure.\n"
          ".SH SEE ALSO\n.BR tsunagid (8),\n.BR tsunagi\\-adapter (8),\n"
          ".BR hub.conf (5),\n.BR node.conf (5)\n",
          out);
}

static void completion(FILE *out)
{
    fputs("_tsunagi() {\n  local words=\"", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (i == 0 || strcmp(COMMANDS[i].group, COMMANDS[i - 1].group) != 0)
            fprintf(out, "%s ", COMMANDS[i].group);
    fputs("\"\n  case \"${COMP_WORDS[1]}\" in\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (i > 0 && strcmp(COMMANDS[i].group, COMMANDS[i - 1].group) == 0)
            continue;
        fprintf(out, "    %s) [ $COMP_CWORD -gt 1 ] && words=\"",
                COMMANDS[i].group);
        for (size_t k = i; k < COMMAND_COUNT; k++)
            if (strcmp(COMMANDS[k].group, COMMANDS[i].group) == 0)
                fprintf(out, "%s ", COMMANDS[k].name);
        fputs("\" ;;\n", out);
    }
    fputs("  esac\n  COMPREPLY=($(compgen -W \"$words\" -- "
          "\"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -F _tsunagi tsunagi\n",
          out);
}

void help_hint(const struct ctl *c)
{
    if (c->command != NULL)
        help_one(c, c->command, stderr);
    else
        fputs(say(c, "命令の一覧: tsunagi help\n",
                  "All commands: tsunagi help\n"),
              stderr);
}

int cmd_help(struct ctl *c)
{
    bool any = false;
    if (c->out != NULL && strcmp(c->out, "man") == 0) {
        man(stdout);
        return EXIT_DONE;
    }
    if (c->out != NULL && strcmp(c->out, "completion") == 0) {
        completion(stdout);
        return EXIT_DONE;
    }
    if (c->command != NULL && strcmp(c->command->group, "help") != 0) {
        help_one(c, c->command, stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; c->argc > 0 && i < COMMAND_COUNT; i++)
        if (strcmp(COMMANDS[i].group, c->argv[0]) == 0 &&
            (c->argc < 2 || strcmp(COMMANDS[i].name, c->argv[1]) == 0)) {
            help_one(c, &COMMANDS[i], stdout);
            any = true;
        }
    if (!any)
        help_all(c, stdout);
    return any || c->argc == 0 ? EXIT_DONE : EXIT_NOT_FOUND;
}
