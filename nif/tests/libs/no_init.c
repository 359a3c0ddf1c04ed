/* A library that is no NIF library. */
int no_init_answer(void);
int no_init_answer(void)
{
    return 42;
}
