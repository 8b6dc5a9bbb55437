/* A chat client on libstrophe (C), for tests: strophe_chat HOST PORT JID PASSWORD CAFILE [tls]
 * Prints what happens, a line each: "online JID", "message FROM BODY", "presence FROM TYPE", "offline".
 * Takes lines on standard input: "message TO BODY", "subscribe TO", "subscribed TO", "quit". */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>
#include <unistd.h>

static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *data) {
  (void)conn;
  (void)data;
  char *body = xmpp_message_get_body(stanza);
  if (body) {
    printf("message %s %s\n", xmpp_stanza_get_from(stanza), body);
    xmpp_free(xmpp_conn_get_context(conn), body);
  }
  return 1;
}

static int on_presence(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *data) {
  (void)conn;
  (void)data;
  const char *type = xmpp_stanza_get_type(stanza);
  printf("presence %s %s\n", xmpp_stanza_get_from(stanza), type ? type : "available");
  return 1;
}

static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error,
                          void *data) {
  (void)error;
  (void)stream_error;
  xmpp_ctx_t *context = data;
  if (event != XMPP_CONN_CONNECT) {
    printf("offline\n");
    xmpp_stop(context);
    return;
  }
  xmpp_handler_add(conn, on_message, NULL, "message", NULL, context);
  xmpp_handler_add(conn, on_presence, NULL, "presence", NULL, context);
  xmpp_stanza_t *presence = xmpp_presence_new(context);
  xmpp_send(conn, presence);
  xmpp_stanza_release(presence);
  printf("online %s\n", xmpp_conn_get_bound_jid(conn));
}

static void send_presence(xmpp_conn_t *conn, const char *to, const char *type) {
  xmpp_stanza_t *presence = xmpp_presence_new(xmpp_conn_get_context(conn));
  xmpp_stanza_set_to(presence, to);
  xmpp_stanza_set_type(presence, type);
  xmpp_send(conn, presence);
  xmpp_stanza_release(presence);
}

static void obey(xmpp_conn_t *conn, char *line) {
  line[strcspn(line, "\n")] = 0;
  char *verb = strtok(line, " "), *to = strtok(NULL, " "), *body = strtok(NULL, "");
  if (!verb) return;
  if (!strcmp(verb, "quit")) {
    xmpp_disconnect(conn);
  } else if (!strcmp(verb, "message") && to && body) {
    xmpp_stanza_t *message = xmpp_message_new(xmpp_conn_get_context(conn), "chat", to, NULL);
    xmpp_message_set_body(message, body);
    xmpp_send(conn, message);
    xmpp_stanza_release(message);
  } else if (to) {
    send_presence(conn, to, verb);
  }
}

static int take_input(xmpp_conn_t *conn, void *data) {
  (void)data;
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char line[65536];
  if (poll(&input, 1, 0) > 0 && fgets(line, sizeof line, stdin)) obey(conn, line);
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  setvbuf(stdin, NULL, _IONBF, 0);
  xmpp_initialize();
  xmpp_ctx_t *context = xmpp_ctx_new(NULL, xmpp_get_default_logger(XMPP_LEVEL_WARN));
  xmpp_conn_t *conn = xmpp_conn_new(context);
  xmpp_conn_set_jid(conn, argv[3]);
  xmpp_conn_set_pass(conn, argv[4]);
  xmpp_conn_set_cafile(conn, argv[5]);
  xmpp_conn_set_flags(conn, argc > 6 ? XMPP_CONN_FLAG_LEGACY_SSL : XMPP_CONN_FLAG_MANDATORY_TLS);
  xmpp_timed_handler_add(conn, take_input, 10, NULL);
  if (xmpp_connect_client(conn, argv[1], (unsigned short)atoi(argv[2]), on_connection, context) != XMPP_EOK) return 1;
  xmpp_run(context);
  xmpp_conn_release(conn);
  xmpp_ctx_free(context);
  xmpp_shutdown();
  return 0;
}
