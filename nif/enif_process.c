#include "nif/enif.h"
#include "nif/host.h"

int enif_is_current_process_alive(ErlNifEnv *env)
{
    return env->kind == NIF_ENV_CALL && nif_host->caller_alive(env);
}

int enif_is_process_alive(ErlNifEnv *env, ErlNifPid *pid)
{
    term t = term_of(pid->pid);
    (void) env;
    return term_is_local_pid(t) && nif_host->process_alive(t);
}

int enif_is_port_alive(ErlNifEnv *env, ErlNifPort *port_id)
{
    term t = term_of(port_id->port_id);
    (void) env;
    return term_is_local_port(t) && nif_host->port_alive(t);
}

int enif_whereis_pid(ErlNifEnv *env, ERL_NIF_TERM name, ErlNifPid *pid)
{
    term found = term_is_atom(term_of(name)) ? nif_host->whereis(term_of(name)) : TERM_NONE;
    (void) env;
    if (!term_is_local_pid(found)) {
        return 0;
    }
    pid->pid = found.word;
    return 1;
}

int enif_whereis_port(ErlNifEnv *env, ERL_NIF_TERM name, ErlNifPort *port)
{
    term found = term_is_atom(term_of(name)) ? nif_host->whereis(term_of(name)) : TERM_NONE;
    (void) env;
    if (!term_is_local_port(found)) {
        return 0;
    }
    port->port_id = found.word;
    return 1;
}

int enif_port_command(
    ErlNifEnv *env, const ErlNifPort *to_port, ErlNifEnv *msg_env, ERL_NIF_TERM msg)
{
    term port = term_of(to_port->port_id);
    term data = nif_term_in(env, msg, "enif_port_command");
    if (!term_is_local_port(port) || !nif_host->port_alive(port)) {
        return 0;
    }
    bool done = nif_host->port_command(env, port, data);
    if (msg_env != NULL) {
        enif_clear_env(msg_env);
    }
    return done;
}

void enif_set_pid_undefined(ErlNifPid *pid)
{
    pid->pid = ATOM(undefined).word;
}

int enif_is_pid_undefined(const ErlNifPid *pid)
{
    return pid->pid == ATOM(undefined).word;
}
